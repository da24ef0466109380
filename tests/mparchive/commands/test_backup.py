"""`mparchive backup` and `mparchive restore` say what was backed up, and what is missing or damaged."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from archive.db.engine import transaction
from archive.db.settings import ArchiveSettings
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.captures import store_captures
from archive.storage.media_files import MediaFolder
from mparchive.errors import Exit
from tests.archive.integrity.filling import keep_files
from tests.archive.making import NOW, article, capture, image, record
from tests.mparchive.commands.conftest import Run


@pytest.fixture
def filled(engine: Engine, tmp_path: Path) -> MediaFolder:
    """Archive a post with a picture; return its media folder."""
    folder = MediaFolder(ArchiveSettings(home=tmp_path))
    with transaction(engine) as session:
        import_records(session, None, [record(2)], "dump", NOW)
        (number,) = store_captures(session, None, [(None, capture())])
        store_parse_results(session, None, [(number, article(record(1), media=(image("a"),)))], NOW, 1)
        keep_files(session, folder)
    return folder


@pytest.mark.usefixtures("filled")
def test_a_backup_is_summed_up_and_checked(mparchive: Run, tmp_path: Path) -> None:
    ended = mparchive("backup", tmp_path / "a.backup", "--no-verify")
    assert ended.code == Exit.DONE
    summary = r"2 posts, 1 captures, 1 files, of \d{4}-\d\d-\d\d \d\d:\d\d UTC, \d+ bytes"
    assert re.search(rf"a\.backup: {summary}; verified after writing", ended.err)
    checked = mparchive("restore", "--check", tmp_path / "a.backup")
    assert checked.code == Exit.DONE
    assert re.search(rf"a\.backup is intact: {summary}", checked.err)


@pytest.mark.usefixtures("filled", "in_chinese")
def test_the_summary_is_in_the_language_of_the_process(mparchive: Run, tmp_path: Path) -> None:
    ended = mparchive("backup", tmp_path / "a.backup", "--no-verify")
    assert "2 篇文章、1 条抓取记录、1 个文件，备份时间 " in ended.err
    assert ended.err.rstrip().endswith("写入后已校验")


def test_a_missing_file_is_named_with_exit_code_3(
    mparchive: Run, filled: MediaFolder, tmp_path: Path
) -> None:
    (path,) = filled.paths()
    filled.remove(path)
    ended = mparchive("backup", tmp_path / "a.backup", "--no-verify")
    assert ended.code == Exit.PARTLY_FAILED
    assert f"not in the backup: {path} is not in the media folder" in ended.err


@pytest.mark.usefixtures("filled")
def test_a_damaged_archive_is_backed_up_with_exit_code_7(
    mparchive: Run, engine: Engine, tmp_path: Path
) -> None:
    with transaction(engine) as session:
        session.execute(text("ALTER TABLE posts DISABLE TRIGGER USER"))
        session.execute(text("UPDATE posts SET title = 'forged' WHERE id = 1"))
        session.execute(text("ALTER TABLE posts ENABLE TRIGGER USER"))
    ended = mparchive("backup", tmp_path / "a.backup")
    assert ended.code == Exit.INTEGRITY
    assert "posts 1: is not as it was written" in ended.err
    assert "the archive is damaged; the backup contains what could be read" in ended.err
    assert (tmp_path / "a.backup").exists()


@pytest.mark.usefixtures("filled")
def test_a_backup_is_restored_into_an_empty_place_only(
    mparchive: Run,
    use: Callable[[Engine], Run],
    module_engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mparchive("backup", tmp_path / "a.backup", "--no-verify")
    full = mparchive("restore", tmp_path / "a.backup")
    assert full.code == Exit.USAGE
    assert "there is an archive here already (a row in " in full.err
    use(module_engine)
    monkeypatch.setenv("MPARCHIVE_HOME", str(tmp_path / "empty"))
    restored = mparchive("restore", tmp_path / "a.backup")
    assert restored.code == Exit.DONE, restored.err
    assert "restored 2 posts, 1 captures, 1 files" in restored.err
    assert len(list((tmp_path / "empty" / "media").rglob("*.png"))) == 1


def test_a_file_that_is_no_backup_is_refused_before_a_database_is_opened(
    mparchive: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:9/x")
    (tmp_path / "x").write_bytes(b"x")
    ended = mparchive("restore", tmp_path / "x")
    assert (ended.code, ended.out) == (Exit.USAGE, "")
    assert "x is no backup; name a file that `mparchive backup` wrote" in ended.err
