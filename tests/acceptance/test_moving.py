"""The commands of docs/how-to/move.md as they stand there, between real servers; encryption in a pipe."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.command import EXECUTABLE, TIMEOUT
from tests.archive.backup.own_server import own_server, programs_of
from tests.docs.markdown import DOCS, fenced, text_of
from tests.fixtures.make_archive_v0_1 import FIXTURE

FROM_TO = ((15, 18), (17, 16))  # versions of PostgreSQL: to a newer one, and to an older one
MOVE = [line for line in fenced(text_of(DOCS / "how-to" / "move.md")) if "mparchive" in line]
ENCRYPT = [line for line in fenced(text_of(DOCS / "how-to" / "back-up-and-restore.md")) if "gpg" in line]


@pytest.fixture
def room() -> Iterator[Path]:
    """Yield a folder outside pytest's, which the embedded server's user could not enter."""
    with tempfile.TemporaryDirectory(prefix="mparchive-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def documented(start: str, *parts: str) -> str:
    """Return the only command of the documents that begins so and has these parts."""
    (line,) = (
        line for line in [*MOVE, *ENCRYPT] if line.startswith(start) and all(part in line for part in parts)
    )
    return line


def run(command: str, room: Path, **environment: object) -> "subprocess.CompletedProcess[str]":
    """Run a command of the document in bash, with the embedded archive in `room` unless told otherwise."""
    given = {
        "PATH": f"{EXECUTABLE.parent}:{os.environ['PATH']}",
        "MPARCHIVE_HOME": room / "home",
        "MPARCHIVE_DATABASE_URL": "",
        **environment,
    }
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env={**os.environ, **{name: str(value) for name, value in given.items()}},
        cwd=room, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip


def numbers(room: Path, **environment: object) -> dict[str, object]:
    """Return what `status` counts, but for sizes and runs."""
    done = run("mparchive status --json", room, **environment)
    status = json.loads(done.stdout)
    return {name: status[name] for name in ("accounts", "posts", "captures") if name in status}


def good(done: "subprocess.CompletedProcess[str]", *codes: int) -> None:
    assert done.returncode in (codes or (0,)), done.stderr


@pytest.mark.parametrize("majors", FROM_TO)
def test_an_archive_moves_to_a_server_on_to_another_and_back(room: Path, majors: tuple[int, int]) -> None:
    with ExitStack() as stack:
        urls = []
        for number in majors:
            found = programs_of(number)
            if found is None:
                pytest.skip(f"PostgreSQL {number} is not installed: run `make servers`")
            server = stack.enter_context(own_server(of=found))
            urls.append(server.create_database("moved", "archivist"))
        shutil.copy(FIXTURE / "copy.backup", room / "old.backup")
        (room / "home").mkdir()
        old = documented("MPARCHIVE_HOME=$NEW_HOME", "restore old.backup")
        good(run(old, room, NEW_HOME=room / "first", NEW_URL=""), 0, 3)
        before = numbers(room, MPARCHIVE_HOME=room / "first")
        assert before["posts"]
        to_server = documented("mparchive backup", "MPARCHIVE_DATABASE_URL=$NEW_URL")
        given = {"MPARCHIVE_HOME": room / "first", "NEW_HOME": room / "second", "NEW_URL": urls[0]}
        good(run(to_server, room, **given), 0, 3)
        between = documented("MPARCHIVE_DATABASE_URL=$OLD_URL", "$NEW_URL")
        given = {"MPARCHIVE_HOME": room / "second", "OLD_URL": urls[0], "NEW_URL": urls[1]}
        good(run(between, room, **given, NEW_HOME=room / "third"), 0, 3)
        full = run(between, room, **given, NEW_HOME=room / "third")
        assert (full.returncode, "there is an archive here already" in full.stderr) == (2, True), full.stderr
        back = documented("MPARCHIVE_DATABASE_URL=$OLD_URL", "MPARCHIVE_DATABASE_URL= mparchive")
        given = {"MPARCHIVE_HOME": room / "third", "OLD_URL": urls[1], "NEW_HOME": room / "fourth"}
        good(run(back, room, **given), 0, 3)
        assert numbers(room, MPARCHIVE_HOME=room / "fourth") == before


@pytest.fixture
def archive(room: Path) -> Path:
    """Return a room whose embedded archive is the one of version 0.1."""
    good(run(f"mparchive restore {FIXTURE / 'copy.backup'}", room), 0, 3)
    return room


@pytest.fixture
def gpg_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield GnuPG's folder, with a key of its own without a passphrase."""
    if shutil.which("gpg") is None:
        pytest.skip("GnuPG is not installed")
    with tempfile.TemporaryDirectory(prefix="gpg-", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("GNUPGHOME", folder)
        key = ["gpg", "--batch", "--passphrase", "", "--quick-generate-key", "archive@example.org"]
        subprocess.run(key, check=True, capture_output=True)
        yield Path(folder)
        subprocess.run(["gpgconf", "--kill", "all"], check=False, capture_output=True)


def test_a_backup_is_encrypted_and_decrypted_in_a_pipe(archive: Path, gpg_home: Path) -> None:
    before = numbers(archive)
    good(run(documented("mparchive backup", "gpg --encrypt"), archive), 0, 3)
    assert b"tables/" not in (archive / "posts.backup.gpg").read_bytes()
    tried = run(documented("gpg --decrypt", "--verify-only"), archive)
    good(tried, 0, 3)
    assert "verified and removed again" in tried.stderr
    good(run(documented("gpg --decrypt", "restore -", "NEW_HOME"), archive, NEW_HOME=archive / "new"), 0, 3)
    assert numbers(archive, MPARCHIVE_HOME=archive / "new") == before


def test_what_arrives_cut_off_or_not_at_all_restores_nothing(archive: Path) -> None:
    new = {"NEW_HOME": archive / "new"}
    restore = "MPARCHIVE_HOME=$NEW_HOME mparchive restore -"
    cut = run(f"mparchive backup - --no-verify | head -c 50000 | {restore}", archive, **new)
    assert (cut.returncode, "is cut off or damaged" in cut.stderr) == (7, True), cut.stderr
    assert "ended before its end, so there is no backup" in cut.stderr
    empty = run(f"false | {restore}", archive, **new)
    assert (empty.returncode, "/dev/stdin is no backup" in empty.stderr) == (2, True), empty.stderr
    assert not numbers(archive, MPARCHIVE_HOME=archive / "new")["posts"]


def test_a_backup_for_standard_output_that_is_full_is_none(archive: Path) -> None:
    full = run("mparchive backup - --no-verify > /dev/full", archive)
    assert (full.returncode, "standard output cannot be written: no space left" in full.stderr) == (2, True)
