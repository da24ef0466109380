"""Tests of point-in-time recovery as written in docs/how-to/back-up-and-restore.md.

What is not run is what needs another machine or another program: step 3 (rsync; here the folder is the same
one), systemctl, docker and cron.
"""

import gzip
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import pytest
import yaml
from sqlalchemy import Engine, select, text

from archive.db.engine import open_archive, transaction
from archive.db.models import File, Post
from archive.db.settings import ArchiveSettings
from archive.ingest.pages import import_records
from archive.repository.hash_chain import chain_heads
from archive.repository.media import due_media
from archive.storage.media_files import MediaFolder
from tests.acceptance.command import Command
from tests.archive.backup.own_server import DOCUMENTED, OwnServer, own_server
from tests.archive.filled import fill
from tests.archive.making import NOW, record
from tests.archive.nobody import becomes_nobody
from tests.standin.media import picture
from tests.web.seeding import keep_one

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "how-to" / "back-up-and-restore.md").read_text("utf-8")
SECTION = DOCUMENT.partition("## Point-in-time recovery")[2]
STEPS = re.split(r"^\d\. ", SECTION, flags=re.MULTILINE)  # the first is what stands before step 1
BASE, MOMENT = "/pitr/base/2026-03-01T023000Z", "2026-03-02 11:59:00+08"  # which the reader replaces


def shell(step: int) -> list[str]:
    """Return the commands of a step, one string for each block."""
    return [dedent(block) for block in re.findall(r"^ *```sh\n(.*?)^ *```$", STEPS[step], re.M | re.S)]


(WRITE_KEEP_WAL, KEEP_THE_LOG, DOES_IT_WORK), (TAKE_BASE,) = shell(1), shell(2)
(GO_BACK,), (LOOK, RESUME), (FORGET,) = shell(4), shell(5), shell(6)
(FETCH_ANEW,) = re.findall(r"^```sql\n(.*?)^```$", SECTION, re.M | re.S)
WORKS = r"^ *\d{4}-\S+ \S+ \| +\| *$"  # kept something, never failed
MANY = 1000  # media: more than there are

needs_another_user = pytest.mark.skipif(
    os.geteuid() == 0 and not becomes_nobody(), reason="Postgres refuses root, and no other user can be had"
)


@pytest.fixture
def server() -> Iterator[OwnServer]:
    with own_server() as one:
        yield one


def opened(server: OwnServer) -> AbstractContextManager[Engine]:
    return open_archive(ArchiveSettings(database_url=server.database_url))


def due(engine: Engine) -> set[int]:
    """Return the ids of the pictures to be fetched now."""
    with transaction(engine) as session:
        return {one.id for one in due_media(session, datetime.now(UTC), MANY, types=["image"])}


def archive_more(engine: Engine, folder: MediaFolder, number: int) -> str:
    """Archive a post of this number and one more picture; return the path of its file."""
    with transaction(engine) as session:
        import_records(session, None, [record(number)], "dump", NOW)
    return keep_picture(engine, folder, min(due(engine)))


def keep_picture(engine: Engine, folder: MediaFolder, medium: int) -> str:
    sha256 = keep_one(engine, folder, medium, picture(f"synthetic_{medium}"))
    return next(path for path in folder.paths() if sha256 in path)


def keep_log(server: OwnServer) -> None:
    """Follow step 1 of the document."""
    server.sh(WRITE_KEEP_WAL + KEEP_THE_LOG)
    server.stop()
    server.start()


def take_base(server: OwnServer) -> str:
    """Follow step 2 of the document; return the name of the base."""
    before = set(server.names("base"))
    server.sh(TAKE_BASE)
    (name,) = set(server.names("base")) - before
    return name


def written_heads(engine: Engine) -> str:
    """Return the heads of the chains as `mparchive verify --save-head` writes them."""
    with transaction(engine) as session:
        return json.dumps([head._asdict() for head in chain_heads(session)])


def posts(engine: Engine) -> set[str]:
    with transaction(engine) as session:
        return set(session.scalars(select(Post.aid)))


def harm(engine: Engine) -> None:
    """Delete all posts, as by mistake."""
    with transaction(engine) as session:
        session.execute(text("TRUNCATE posts CASCADE"))


class Noted(NamedTuple):
    """Notes of a moment; `picture` was archived between the base that is used and the next one."""

    base: str
    oldest_log: str
    picture: str
    posts: set[str]
    heads: str
    moment: str


def live_and_be_harmed(server: OwnServer, folder: MediaFolder) -> Noted:
    """Archive, take bases and note the moment; then delete all posts, and archive more."""
    with opened(server) as engine:
        fill(engine, folder)
        base, oldest_log = take_base(server), server.names("wal")[0]
        shown = archive_more(engine, folder, 501)
        take_base(server)
        assert re.search(WORKS, server.sh(DOES_IT_WORK), re.MULTILINE)
        archive_more(engine, folder, 502)
        known = posts(engine), written_heads(engine)
        noted = Noted(base, oldest_log, shown, *known, server.asked("SELECT clock_timestamp()"))
        harm(engine)
        archive_more(engine, folder, 503)
    return noted


def go_back(server: OwnServer, base: str, moment: str) -> None:
    """Follow steps 4 to 6 of the document, without their last command, `mparchive verify`."""
    assert GO_BACK.count(BASE) == GO_BACK.count(MOMENT) == 1
    server.sh(GO_BACK.replace(BASE, f"{DOCUMENTED}/base/{base}").replace(MOMENT, moment))
    server.start()
    server.wait_until("pg_get_wal_replay_pause_state() = 'paused'")
    assert "paused" in server.sh(LOOK)
    server.sh(RESUME)
    server.wait_until("NOT pg_is_in_recovery()")
    server.sh(FORGET)
    assert "recovery" not in (server.folder / "data" / "postgresql.auto.conf").read_text()


def lose(engine: Engine, folder: MediaFolder, path: str) -> int:
    """Remove a media file; return the id of its row."""
    folder.remove(path)
    with transaction(engine) as session:
        return session.scalars(select(File.id).where(File.path == path)).one()


def fetch_anew(engine: Engine, number: int) -> None:
    """Follow what the document says about a file that nobody has."""
    assert FETCH_ANEW.count(" = 7;") == 2
    with transaction(engine) as session:
        session.execute(text(FETCH_ANEW.replace(" = 7;", f" = {number};")))


@pytest.fixture
def mparchive(server: OwnServer, tmp_path: Path) -> Command:
    return Command(server.database_url, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> MediaFolder:
    return MediaFolder(ArchiveSettings(home=tmp_path))


@needs_another_user
def test_an_archive_goes_back_to_the_moment_before_the_harm(
    server: OwnServer, mparchive: Command, folder: MediaFolder
) -> None:
    keep_log(server)
    noted = live_and_be_harmed(server, folder)
    server.stop("immediate")  # it has no time to keep the last of its log
    go_back(server, noted.base, noted.moment)
    (mparchive.home / "heads.json").write_text(noted.heads)
    verified = mparchive("verify", "--anew", "--head", mparchive.home / "heads.json")
    assert verified.code == 0, verified.out
    assert b"1 files in the media folder that the archive does not know" in verified.out
    assert noted.base not in server.names("base")  # two newer ones are, and what only this needed is gone
    assert noted.oldest_log not in server.names("wal")
    with opened(server) as engine:
        assert posts(engine) == noted.posts
        a_missing_file_is_named_and_fetched_anew(mparchive, engine, folder, noted.picture)


def a_missing_file_is_named_and_fetched_anew(
    mparchive: Command, engine: Engine, folder: MediaFolder, path: str
) -> None:
    number, due_before = lose(engine, folder, path), due(engine)
    missing = mparchive("verify", "--only", "media")
    assert missing.code == 7
    said = f"files {number}: is not in the media folder; restore it from a backup, as {path}"
    assert said in missing.out.decode()
    fetch_anew(engine, number)
    (medium,) = due(engine) - due_before
    assert keep_picture(engine, folder, medium) == path
    assert mparchive.findings() == []


def test_a_piece_of_the_log_is_kept_whole_and_never_overwritten(tmp_path: Path) -> None:
    subprocess.run(["bash", "-ec", WRITE_KEEP_WAL.replace(DOCUMENTED, str(tmp_path))], check=True)
    piece, kept = tmp_path / "piece", tmp_path / "wal" / "0001.gz"
    keep = ["sh", str(tmp_path / "keep-wal"), str(piece), "0001"]
    kept.with_name("0001.gz.part").write_bytes(b"half of one, by a server that was killed")
    for content, may_be in ((b"log", True), (b"log", True), (b"another", False), (b"", False)):
        piece.write_bytes(content)
        assert (subprocess.run(keep, capture_output=True, check=False).returncode == 0) is may_be
    assert gzip.decompress(kept.read_bytes()) == b"log"


def test_the_compose_file_has_the_server_that_the_document_speaks_of() -> None:
    server = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["postgres"]
    (added,) = re.findall(r"^```yaml\n(.*?)^```$", SECTION, re.M | re.S)
    assert yaml.safe_load(added)["services"].keys() == {"postgres"}
    assert server["image"].startswith("postgres:18.")
    assert server["environment"]["POSTGRES_USER"] == server["environment"]["POSTGRES_DB"] == "mparchive"
    assert server["volumes"][0] == "archive:/var/lib/postgresql"  # the image has its PGDATA below
