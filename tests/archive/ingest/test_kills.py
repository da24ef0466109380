"""What a killed process leaves: every answer it kept, none of what it had not finished."""

from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine, text

from archive.db.engine import transaction
from archive.db.settings import ArchiveSettings
from archive.ingest.pages import store_parse_results
from archive.repository import bodies, captures, post_queries
from archive.repository.media import due_media, media_of, store_file
from archive.storage.media_files import MediaFolder
from tests.archive.children import BODIES, IMAGES, PICTURE, page
from tests.archive.conftest import StartChild
from tests.archive.making import BIZ, NOW, kept_file


def test_answers_kept_before_a_kill_are_read_after_it(
    engine: Engine, fresh_database_url: str, start_child: StartChild, tmp_path: Path
) -> None:
    child = start_child("keep", MPARCHIVE_DATABASE_URL=fresh_database_url, MPARCHIVE_HOME=str(tmp_path))
    assert child.stdout and child.stdout.readline() == "open\n"
    child.kill()
    child.wait(10)
    with transaction(engine) as session:
        unread = captures.unparsed_captures(session)
        assert [bodies.capture_body(session, id_) for id_ in unread] == BODIES
        assert list(post_queries.records(session)) == []
        readings = [(id_, page(n)) for n, id_ in enumerate(unread)]
        assert store_parse_results(session, None, readings, NOW, 1) == ["new"] * len(BODIES)
    with transaction(engine) as session:
        assert captures.unparsed_captures(session) == []
        assert len(list(post_queries.records(session))) == len(BODIES)
        assert len(due_media(session, NOW, 100, types=["image"])) == IMAGES + 1
    the_file_without_a_row_is_used(engine, tmp_path)


def the_file_without_a_row_is_used(engine: Engine, home: Path) -> None:
    """Test that a file the killed process had written has no row, and is not written a second time."""
    (orphan,) = [path for path in home.rglob("*") if path.is_file()]
    before = orphan.stat().st_ino, orphan.stat().st_mtime_ns
    folder = MediaFolder(ArchiveSettings(home=home))
    file = kept_file(PICTURE)
    with transaction(engine) as session:
        assert session.execute(text("SELECT count(*) FROM files")).scalar_one() == 0
        (medium, *_) = due_media(session, NOW, 1, types=["image"])
        path = folder.put(PICTURE, file.sha256, ".png")
        store_file(session, medium.id, replace(file, path=path), NOW)
        (post,) = post_queries.find_posts(session, "1000_1", BIZ)
        (shown,) = [shown for shown in media_of(session, post) if shown.file]
    assert folder.get(shown.file.path, shown.file.sha256) == PICTURE  # type: ignore[union-attr]  # as chosen
    assert (orphan.stat().st_ino, orphan.stat().st_mtime_ns) == before
