"""`mparchive backup` and `restore`, end to end: into the embedded server, refused, killed and run again."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine

from archive.db.embedded_server import embedded_postgres
from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.ingest.pages import import_records
from archive.storage.media_files import MediaFolder
from tests.acceptance.command import Command
from tests.archive.filled import fill
from tests.archive.making import NOW, record
from tests.crawler.crawling import plain
from tests.fixtures.make_archive_v0_1 import FIXTURE
from tests.support.database import database_from


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """Return a data folder with its embedded server running, which its own user may reach."""
    folder = tempfile.TemporaryDirectory(prefix="mparchive-", ignore_cleanup_errors=True)
    with folder as place, embedded_postgres(Path(place)):
        yield Path(place)


def test_a_restored_archive_equals_the_original(
    engine: Engine, mparchive: Command, elsewhere: Path, tmp_path: Path
) -> None:
    fill(engine, MediaFolder(ArchiveSettings(home=mparchive.home)))
    file, cut = tmp_path / "archive.backup", tmp_path / "cut.backup"
    made = mparchive("backup", file)
    assert (made.code, "verified after writing" in made.err) == (0, True), made.err
    cut.write_bytes(file.read_bytes()[:-100])
    assert mparchive("restore", cut, "--check").code == 7
    full = mparchive("restore", file)
    assert (full.code, "empty place only" in full.err) == (2, True)

    other = replace(mparchive, database_url="", home=elsewhere)
    done = other("restore", file)
    assert (done.code, done.err.splitlines()[-1].startswith("restored ")) == (0, True), done.err
    assert other("export").out == mparchive("export").out
    for path in (mparchive.home / "media").rglob("*.png"):
        assert (elsewhere / path.relative_to(mparchive.home)).read_bytes() == path.read_bytes()


def test_a_restore_that_was_killed_can_be_run_again(mparchive: Command) -> None:
    """A lock on a table holds it before the first row; the media files are written by then."""
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'runs'::regclass AND NOT granted)"
    with psycopg.connect(plain(mparchive.database_url)) as holder:
        holder.execute("LOCK TABLE runs IN ACCESS SHARE MODE")
        killed = mparchive.start("restore", FIXTURE / "copy.backup")
        while holder.execute(waiting).fetchone() == (False,):
            assert killed.poll() is None
        killed.kill()
        killed.wait()
    assert len(list((mparchive.home / "media").rglob("*.jpg"))) == 12
    other = mparchive("restore", FIXTURE / "pg_dump.backup", "--check")
    assert other.code == 0, other.err
    again = mparchive("restore", FIXTURE / "copy.backup")
    assert again.code == 0, again.err
    assert mparchive.number("SELECT count(*) FROM posts") == 25


def test_a_restore_that_was_killed_while_it_verified_can_be_run_again(mparchive: Command) -> None:
    """Its transaction, which has loaded every row by then, is undone by the server."""
    killed = mparchive.start("restore", FIXTURE / "copy.backup", listen=True)
    assert killed.stderr is not None
    with killed.stderr as said:
        assert any(b" ties" in line for line in said)
        killed.kill()
        killed.wait()
    assert mparchive.number("SELECT count(*) FROM posts") == 0
    again = mparchive("restore", FIXTURE / "copy.backup")
    assert again.code == 0, again.err
    assert mparchive.number("SELECT count(*) FROM posts") == 25


@pytest.fixture
def another(server_url: str, template: str, mparchive: Command) -> Iterator[Command]:
    """Return the command with another empty archive."""
    for url in database_from(server_url, f"TEMPLATE {template}"):
        yield replace(mparchive, database_url=url)


def archive_post(command: Command, text: str) -> None:
    with (
        open_archive(ArchiveSettings(database_url=command.database_url)) as engine,
        transaction(engine) as session,
    ):
        import_records(session, None, [record(1, text=text)], "dump", NOW)


def test_a_forged_backup_without_a_contradiction_is_found_with_a_head_stored_elsewhere(
    mparchive: Command, another: Command, elsewhere: Path, tmp_path: Path
) -> None:
    """The forger has archived the same post at the same time with another text, and backed that up."""
    heads, forged = tmp_path / "heads.json", tmp_path / "forged.backup"
    archive_post(mparchive, "原文。\r")
    assert mparchive("verify", "--save-head", heads).code == 0
    assert mparchive("verify", "--head", heads).code == 0
    archive_post(another, "伪造的。\r")
    assert another("backup", forged).code == 0

    restored = replace(mparchive, database_url="", home=elsewhere)
    refused = restored("restore", forged, "--head", heads)
    assert (refused.code, "so nothing was restored" in refused.err) == (7, True), refused.err
    assert restored("list", "--json").out.strip() == b"[]"
    done = restored("restore", forged)
    assert done.code == 0, done.err
    found = restored("verify", "--head", heads)
    assert found.code == 7
    assert "does not pass through the head saved at entry 5" in found.out.decode() + found.err
