"""Another user of the machine neither connects to the embedded Postgres nor reads its files."""

import fcntl
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from archive.backup.postgres import find_tool
from archive.db.embedded_access import command_prefix, is_private, server_account, socket_folder
from archive.db.embedded_server import embedded_postgres
from archive.db.roles import OWNER
from archive.domain.errors import DatabaseUnavailable
from tests.archive.conftest import StartChild
from tests.archive.nobody import AS_NOBODY, NOBODY, becomes_nobody

STRANGER = 1  # the user `daemon`, of whom nothing here is
NAMELESS = 54_321  # no user of this machine
TRIES = 500  # of connecting, until a server has read its rules again
HOMES = {
    "short": "home",
    "long": "/".join(["long-" * 10] * 4),
    "spaced": "my home",
    "Chinese": "公众号 存档",
    "shell": """a $HOME `b` "c" 'd'""",
}
needs_root = pytest.mark.skipif(not becomes_nobody(), reason="only root can become another user")


@pytest.fixture
def place() -> Iterator[Path]:
    """Yield a folder that everybody may enter, such as /srv; end the server that runs below it."""
    with tempfile.TemporaryDirectory(prefix="mparchive-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        for process in psutil.process_iter(["cmdline"]):
            if any(word.startswith(folder) for word in process.info["cmdline"] or []):
                process.kill()


def asked(sockets: str, user: int = STRANGER) -> subprocess.CompletedProcess[str]:
    """Connect as another user of the machine, as the database's superuser."""
    tool = find_tool("psql", 16)
    assert tool
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    command = [*become, tool.path, "-h", sockets, "-U", "postgres", "-Atc", "SELECT 'connected'"]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)


def reads(path: Path) -> bool:
    """Tell whether another user can read a file or list a folder."""
    become = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups"]
    command = [*become, "ls" if path.is_dir() else "cat", str(path)]
    return subprocess.run(command, cwd="/", capture_output=True, check=False).returncode == 0


def sockets_of(home: Path) -> str:
    """Return the folder with the socket of the running server."""
    return (home / "postgres" / "postmaster.pid").read_text().splitlines()[4]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refuses_strangers(home: Path) -> None:
    """Check that a stranger does not reach the socket, and is refused when he does."""
    sockets = Path(sockets_of(home))
    assert mode(sockets) == 0o700
    assert "Permission denied" in asked(str(sockets)).stderr
    closed = [folder for folder in (sockets, *sockets.parents) if not mode(folder) & 0o001]
    modes = {folder: mode(folder) for folder in closed}
    for folder in closed:
        folder.chmod(mode(folder) | 0o001)
    (sockets / ".s.PGSQL.5432").chmod(0o777)
    said = asked(str(sockets)).stderr
    for folder, before in modes.items():
        folder.chmod(before)
    assert 'Peer authentication failed for user "postgres"' in said


@needs_root
@pytest.mark.parametrize("before", [[], AS_NOBODY], ids=["as root", "as an ordinary user"])
@pytest.mark.parametrize("name", HOMES.values(), ids=HOMES)
def test_another_user_neither_connects_nor_reads(
    place: Path, start_child: StartChild, name: str, before: list[str]
) -> None:
    owned = place / "owned"
    owned.mkdir(mode=0o755)
    if before:
        os.chown(owned, NOBODY, NOBODY)
    home = owned / name
    where = {"MPARCHIVE_HOME": str(home), "HOME": str(owned), "XDG_CACHE_HOME": str(owned / "cache")}
    child = start_child("hold server", before=before, **where)
    assert child.stdout and child.stdout.readline() == "open\n"
    refuses_strangers(home)
    for path in (home, home / "postgres", home / "postgres" / "PG_VERSION", home / "postgres" / "log"):
        assert not reads(path), path
    child.communicate("")
    assert child.returncode == 0
    assert mode(owned) == 0o755


@needs_root
def test_root_opens_no_folder_above_the_home(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    home = closed / "given"
    home.mkdir(mode=0o700)
    with embedded_postgres(home):
        assert not reads(home / "postgres" / "PG_VERSION")
    assert [mode(folder) for folder in (place, closed, home)] == [0o755, 0o700, 0o700]


@needs_root
def test_root_uses_the_server_of_the_folders_owner(place: Path, start_child: StartChild) -> None:
    home = place / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    where = {"MPARCHIVE_HOME": str(home), "HOME": str(home)}
    child = start_child("hold server", before=AS_NOBODY, **where)
    child.communicate("")
    with embedded_postgres(home) as url:
        with create_engine(url, poolclass=NullPool).connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
        number = int((home / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        assert psutil.Process(number).uids().real == NOBODY
    again = start_child("hold server", before=AS_NOBODY, **where)
    again.communicate("")
    assert again.returncode == 0


def with_trust(home: Path) -> None:
    """Make a data folder as the programs before this one left it."""
    with embedded_postgres(home):
        pass
    (home / "postgres" / "pg_hba.conf").write_text("local all all trust\n")


def started_before(home: Path, sockets: Path) -> psutil.Process:
    """Start a server as the programs before this one did, its socket open to everybody."""
    with_trust(home)
    sockets.mkdir()
    data = home / "postgres"
    account = server_account(data)
    os.chown(sockets, account.uid, account.gid)
    sockets.chmod(0o777)
    tool = find_tool("pg_ctl", 18)
    assert tool
    options = f"-h '' -k {sockets}"
    command = [tool.path, "start", "-w", "-D", str(data), "-l", str(data / "log"), "-o", options]
    prefix = command_prefix(account, [Path(tool.path), data / "log"])
    subprocess.run([*prefix, *command], stdout=subprocess.DEVNULL, check=True)
    return psutil.Process(int((data / "postmaster.pid").read_text().splitlines()[0]))


@needs_root
def test_a_folder_that_trusted_everybody_does_not_any_more(place: Path) -> None:
    home = place / "home"
    with_trust(home)
    with embedded_postgres(home):
        refuses_strangers(home)


@needs_root
def test_a_server_of_an_older_program_that_nobody_uses_is_started_again(place: Path) -> None:
    home = place / "home"
    before = started_before(home, place / "open")
    assert asked(str(place / "open")).stdout == "connected\n"
    with embedded_postgres(home):
        assert not before.is_running() or before.status() == psutil.STATUS_ZOMBIE
        assert sockets_of(home) == str(home / "postgres")
        refuses_strangers(home)


@needs_root
def test_a_server_of_an_older_program_that_somebody_uses_is_closed_to_others(place: Path) -> None:
    home, sockets = place / "home", place / "open"
    before = started_before(home, sockets)
    with (home / "postgres.users").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        with embedded_postgres(home) as url:
            assert before.is_running()
            assert make_url(url).query["host"] == str(sockets)
            assert "Permission denied" in asked(str(sockets)).stderr
            sockets.chmod(0o755)
            assert any(not asked(str(sockets)).stdout for _ in range(TRIES))
            assert "Peer authentication failed" in asked(str(sockets)).stderr
        assert before.is_running(), "its user is there still"


def test_variables_for_other_servers_are_not_heeded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PGPORT", "6000"), ("PGHOST", "/nowhere"), ("PGUSER", "me"), ("PGDATA", "/nowhere")):
        monkeypatch.setenv(name, value)
    with (
        embedded_postgres(place / "home") as url,
        create_engine(url, poolclass=NullPool).connect() as connection,
    ):
        assert connection.execute(text("SELECT current_user")).scalar_one() == OWNER
        assert connection.execute(text("SHOW listen_addresses")).scalar_one() == ""


@needs_root
def test_a_user_without_a_name_is_told_so(place: Path, start_child: StartChild) -> None:
    home = place / "home"
    home.mkdir()
    os.chown(home, NAMELESS, NAMELESS)
    become = [word.replace(str(NOBODY), str(NAMELESS)) for word in AS_NOBODY]
    said, _ = start_child("refused", before=become, MPARCHIVE_HOME=str(home)).communicate()
    assert said.count("\n") == 1
    assert f"the user with the number {NAMELESS} has no name" in said


@needs_root
def test_root_without_capabilities_is_told_which_folder_is_closed(
    place: Path, start_child: StartChild
) -> None:
    place.chmod(0o700)
    few = ["setpriv", "--bounding-set=-dac_read_search,-dac_override"]
    said, _ = start_child("refused", before=few, MPARCHIVE_HOME=str(place / "home")).communicate()
    assert said.count("\n") == 1
    assert f"may not pass {place}" in said


def test_a_folder_for_the_socket_that_another_made_is_not_used(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    data = tmp_path / ("long-" * 30)
    data.mkdir()
    account = server_account(data)
    first = socket_folder(data, account)
    first.rmdir()
    first.symlink_to(tmp_path)
    try:
        second = socket_folder(data, account)
        assert second.parent == place
        assert is_private(second, account)
        second.chmod(0o755)
        with pytest.raises(DatabaseUnavailable, match="MPARCHIVE_HOME"):
            socket_folder(data, account)
    finally:
        first.unlink()


def test_what_counts_as_private(tmp_path: Path) -> None:
    account = server_account(tmp_path)
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir(mode=0o700)
    link.symlink_to(folder)
    assert is_private(folder, account)
    assert not is_private(link, account)
    assert not is_private(tmp_path / "missing", account)
    for open_mode in (0o710, 0o701, 0o777):
        folder.chmod(open_mode)
        assert not is_private(folder, account)
    if os.geteuid() == 0:
        folder.chmod(0o700)
        os.chown(folder, STRANGER, STRANGER)
        assert not is_private(folder, account)
