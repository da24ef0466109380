"""The embedded Postgres, shared and killed by real processes."""

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from archive.db import embedded_server
from archive.db.embedded_server import UNFINISHED, embedded_postgres
from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from archive.domain.errors import DatabaseUnavailable
from tests.archive.conftest import Child, StartChild
from tests.archive.nobody import AS_NOBODY, NOBODY, becomes_nobody
from tests.scheduler.waiting import wait_for


@pytest.fixture
def home() -> Iterator[Path]:
    """Make a data folder that the server's user may reach; stop what still runs there."""
    with tempfile.TemporaryDirectory(prefix="mparchive-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
        for process in servers(Path(folder)):
            process.kill()
            process.wait(10)


def servers(home: Path) -> list[psutil.Process]:
    """Return the postmasters of this folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and str(home / "postgres") in command:
            found.append(process)
    return found


def opened(child: Child) -> Child:
    """Return the child once it has the archive open."""
    assert child.stdout and child.stdout.readline() == "open\n"
    return child


def works(home: Path) -> bool:
    """Whether the archive of this folder opens and answers."""
    with open_archive(ArchiveSettings(home=home)) as engine, engine.connect() as connection:
        return bool(connection.execute(text("SELECT count(*) FROM posts")).scalar_one() == 0)


def test_the_last_of_two_users_stops_the_server_and_the_first_does_not(
    home: Path, start_child: StartChild
) -> None:
    first = opened(start_child("hold", MPARCHIVE_HOME=str(home)))
    second = opened(start_child("hold", MPARCHIVE_HOME=str(home)))
    first.communicate("")
    assert len(servers(home)) == 1
    assert works(home)  # a third one comes and goes
    assert len(servers(home)) == 1
    second.communicate("")
    assert servers(home) == []


def test_a_user_that_was_killed_is_not_waited_for(home: Path, start_child: StartChild) -> None:
    first = opened(start_child("hold", MPARCHIVE_HOME=str(home)))
    second = opened(start_child("hold", MPARCHIVE_HOME=str(home)))
    first.kill()
    first.wait(10)
    assert len(servers(home)) == 1
    second.communicate("")
    assert servers(home) == []
    alone = opened(start_child("hold", MPARCHIVE_HOME=str(home)))
    alone.kill()
    alone.wait(10)
    assert len(servers(home)) == 1, "nobody is there to stop it"
    assert works(home)
    assert servers(home) == []


def test_a_folder_whose_server_was_killed_starts_again(home: Path, start_child: StartChild) -> None:
    user = opened(start_child("hold", MPARCHIVE_HOME=str(home)))
    for process in [user, *servers(home)]:
        process.kill()
        process.wait(10)
    assert works(home)


def test_a_folder_of_which_only_the_server_was_killed_serves_on_and_is_left_without_one(
    home: Path, start_child: StartChild
) -> None:
    first = opened(start_child("hold", MPARCHIVE_HOME=str(home)))
    (server,) = servers(home)
    server.kill()
    server.wait(10)
    second = opened(start_child("hold", MPARCHIVE_HOME=str(home)))
    (restarted,) = servers(home)
    assert restarted.pid != server.pid
    second.communicate("")
    assert servers(home) == [restarted], "the first is a user still"
    first.communicate("")
    assert servers(home) == []


def killed(home: Path) -> int:
    """Kill the server of this folder, and nothing else; return its number."""
    (server,) = servers(home)
    server.kill()
    server.wait(10)
    return server.pid


def test_a_server_that_is_killed_while_it_is_used_comes_back_by_itself(home: Path) -> None:
    with open_archive(ArchiveSettings(home=home)) as engine:
        for _ in range(2):
            dead = killed(home)
            wait_for(lambda: answers(engine))
            (restarted,) = servers(home)
            assert restarted.pid != dead
    assert servers(home) == []


def test_a_statement_that_outlives_its_killed_server_does_not_keep_the_next_from_starting(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_server, "ORPHANS_END", 0.1)
    with open_archive(ArchiveSettings(home=home)) as engine:
        busy = threading.Thread(target=run_for_hours, args=(engine,))
        busy.start()
        wait_for(lambda: answers(engine, RUNNING_FOR_HOURS))
        killed(home)
        wait_for(lambda: answers(engine))
        busy.join(10)
        assert not busy.is_alive(), "the process of the statement still runs"


def test_what_keeps_a_server_from_coming_back_is_logged_once_and_overcome(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(embedded_server, "RESTART_WAIT", 0.1)
    with open_archive(ArchiveSettings(home=home)) as engine:
        hidden = home / "postgres" / "global" / "pg_control"
        hidden.rename(hidden.with_name("hidden"))
        killed(home)
        wait_for(lambda: any("cannot be restarted" in one for one in caplog.messages))
        hidden.with_name("hidden").rename(hidden)
        wait_for(lambda: answers(engine))
    *refused, restarted = caplog.messages
    assert len(set(refused)) == len(refused), "a reason was logged twice"
    assert restarted == "the embedded Postgres had died and was restarted"


def test_a_server_whose_data_were_removed_is_not_replaced_by_an_empty_one(home: Path) -> None:
    with embedded_postgres(home):
        server = embedded_server.EmbeddedServer(home)
        killed(home)
        (home / "postgres").rename(home / "elsewhere")
        assert not server.restart()
    assert not (home / "postgres").exists()


RUNNING_FOR_HOURS = "SELECT 1 / count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT sum(n)%'"


def run_for_hours(engine: Engine) -> None:
    """Run a statement that computes and so does not notice that its server is gone."""
    with suppress(OperationalError), engine.connect() as connection:
        connection.execute(
            text("SELECT sum(n) FROM generate_series(1, 1000000) n, generate_series(1, 1000000)")
        )


def answers(engine: Engine, query: str = "SELECT 1") -> bool:
    """Whether the database answers a query."""
    try:
        with engine.connect() as connection:
            connection.execute(text(query))
    except DBAPIError:
        return False
    return True


def test_a_folder_that_is_removed_after_use_stays_removed(home: Path, start_child: StartChild) -> None:
    folder = home / "used"
    user = start_child("come and go", MPARCHIVE_HOME=str(folder))
    assert user.wait(60) == 0
    assert not folder.exists()


def test_four_first_users_at_once_make_one_database_and_leave_no_server(
    home: Path, start_child: StartChild
) -> None:
    users = [opened(child) for child in [start_child("hold", MPARCHIVE_HOME=str(home)) for _ in range(4)]]
    assert len(servers(home)) == 1
    for user in users:
        user.stdin.close()  # type: ignore[union-attr]  # a pipe
    assert [user.wait(60) for user in users] == [0] * 4
    assert servers(home) == []
    assert list(home.glob(UNFINISHED + "*")) == []


needs_nobody = pytest.mark.skipif(
    not becomes_nobody(), reason="cannot start a process as another user: not root, or no setpriv"
)


@needs_nobody
def test_it_works_for_a_user_that_is_not_root(home: Path, start_child: StartChild) -> None:
    os.chown(home, NOBODY, NOBODY)
    where = {"MPARCHIVE_HOME": str(home), "HOME": str(home)}
    first = opened(start_child("hold", before=AS_NOBODY, **where))
    second = opened(start_child("hold", before=AS_NOBODY, **where))
    (server,) = servers(home)
    assert server.uids().real == NOBODY
    first.communicate("")
    assert servers(home) == [server]
    second.kill()
    second.wait(10)
    server.kill()
    server.wait(10)
    third = opened(start_child("hold", before=AS_NOBODY, **where))
    third.communicate("")
    assert third.returncode == 0
    assert servers(home) == []


@pytest.mark.skipif(os.geteuid() == 0 and not becomes_nobody(), reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_said_in_a_sentence(home: Path, start_child: StartChild) -> None:
    home.chmod(0o555)
    before = AS_NOBODY if os.geteuid() == 0 else []
    child = start_child("refused", before=before, MPARCHIVE_HOME=str(home / "mine"))
    said, _ = child.communicate()
    assert said.count("\n") == 1
    assert "Permission denied" in said
    assert "MPARCHIVE_HOME" in said


def test_a_folder_starts_again_though_another_process_has_its_servers_number(home: Path) -> None:
    assert works(home)
    stranger = subprocess.Popen(["sleep", "60"])
    stale = [stranger.pid, home / "postgres", 1, 5432, home / "postgres", "", "1 2", "ready"]
    (home / "postgres" / "postmaster.pid").write_text("".join(f"{line}\n" for line in stale))
    assert works(home)
    assert stranger.poll() is None, "a process that is not the server was ended"
    stranger.kill()
    stranger.wait()


def test_a_folder_starts_again_with_half_a_pid_file(home: Path) -> None:
    assert works(home)
    (home / "postgres" / "postmaster.pid").write_text("99")
    assert works(home)


def test_a_folder_whose_making_was_killed_half_way_starts_again(home: Path, start_child: StartChild) -> None:
    child = start_child("hold", MPARCHIVE_HOME=str(home))
    while not list(home.rglob("postgresql.conf")):
        assert child.poll() is None
    os.killpg(child.pid, signal.SIGKILL)
    child.wait(10)
    assert works(home)


def test_a_folder_that_is_a_file_is_said_in_a_sentence(home: Path) -> None:
    (home / "file").write_text("")
    settings = ArchiveSettings(home=home / "file")
    with pytest.raises(DatabaseUnavailable, match="MPARCHIVE_HOME"), open_archive(settings):
        pass
