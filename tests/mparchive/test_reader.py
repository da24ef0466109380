"""Tests that Python reads an archive as typed rows and frames, cannot write, and imports fast."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from datetime import UTC
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

import mparchive
from archive.db.engine import transaction
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.captures import store_captures
from mparchive.reader import ArchiveReader
from tests.archive.making import BIZ, NOW, article, capture, record


@pytest.fixture(scope="module")
def url(module_engine: Engine) -> str:
    """Archive a post with two versions, and one of a dump."""
    with transaction(module_engine) as session:
        import_records(session, None, [record(2, title="招聘启事")], "dump", NOW)
        for minutes, words in enumerate(("关于集成电路的通知", "关于集成电路的通知（修订）")):
            answer = capture(words.encode(), minutes=minutes)
            (number,) = store_captures(session, None, [(None, answer)])
            page = article(record(1, text=words))
            store_parse_results(session, None, [(number, page)], NOW, 1)
    return module_engine.url.render_as_string(hide_password=False)


@pytest.fixture
def archive(url: str) -> Iterator[ArchiveReader]:
    """Open the archive by the address of its server."""
    with mparchive.open(url) as opened:
        yield opened


def test_posts_are_typed_rows_with_texts(archive: ArchiveReader) -> None:
    first, second = archive.posts()
    assert [(one.aid, one.biz) for one in (first, second)] == [("1002_1", BIZ), ("1001_1", BIZ)]
    assert second.text == "关于集成电路的通知（修订）"
    assert second.marks == ("edited",)
    assert second.first_archived_at.tzinfo is UTC or second.first_archived_at.utcoffset() is not None
    with pytest.raises(FrozenInstanceError):
        first.title = "改"  # type: ignore[misc]
    assert archive.post("1001_1") == second
    assert [one.aid for one in archive.posts(changed="edited")] == ["1001_1"]
    assert [one.aid for one in archive.posts(kind="article", since="2026-03", until="2026")] == ["1001_1"]
    assert list(archive.posts(since="2027")) == []


def test_a_search_versions_captures_and_changes_are_listed(archive: ArchiveReader) -> None:
    assert [one.aid for one in archive.search("集成电路 -招聘")] == ["1001_1"]
    versions = list(archive.versions("1001_1"))
    assert [(one.number, one.text) for one in versions] == [
        (1, "关于集成电路的通知"),
        (2, "关于集成电路的通知（修订）"),
    ]
    assert [one.status for one in archive.captures("1001_1")] == [200, 200]
    assert {len(one.sha256) for one in archive.captures("1001_1")} == {64}
    assert {(one.aid, one.kind.value) for one in archive.changes(kinds=["edited"])} == {("1001_1", "edited")}
    assert len(list(archive.changes())) == 3


def test_frames_have_aids_as_texts_and_columns_also_without_rows(archive: ArchiveReader) -> None:
    pandas, polars = archive.posts().to_pandas(), archive.posts().to_polars()
    assert list(pandas["aid"]) == polars["aid"].to_list() == ["1002_1", "1001_1"]
    assert polars["marks"].to_list() == [[], ["edited"]]
    empty = archive.posts(since="2027")
    assert list(empty.to_pandas().columns) == empty.to_polars().columns == list(pandas.columns)
    assert list(archive.versions("1001_1").to_pandas()["number"]) == [1, 2]
    assert archive.changes().to_polars().height == 3
    assert archive.captures("1001_1").to_polars().height == 2


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_without_a_library_the_command_to_install_it_is_named(
    archive: ArchiveReader, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(mparchive.Error, match=rf"pip install 'mparchive\[{library}\]'"):
        getattr(archive.posts(), f"to_{library}")()


def test_nothing_can_be_written(archive: ArchiveReader) -> None:
    with archive._session() as session, pytest.raises(DBAPIError, match="read-only transaction"):
        session.execute(text("DELETE FROM posts"))


def test_what_is_not_there_is_one_sentence(archive: ArchiveReader, tmp_path: Path) -> None:
    for ask, words in {
        lambda: archive.post("9_9"): "9_9",
        lambda: list(archive.versions("9_9")): "9_9",
        lambda: list(archive.posts(account="nobody")): "nobody",
        lambda: list(archive.search("-招聘")): "exclude",
        lambda: archive.posts(changed="often"): "edited, removed, restored",
        lambda: archive.posts(kind="letter"): "article",
        lambda: archive.posts(since="soon"): "soon",
        lambda: mparchive.open(tmp_path / "none"): "there is no folder",
        lambda: mparchive.open("mysql://localhost/a"): "Postgres",
    }.items():
        with pytest.raises(mparchive.Error, match=words):
            ask()


def test_a_closed_archive_says_so(url: str) -> None:
    archive = mparchive.open(url)
    archive.close()
    with pytest.raises(mparchive.Error, match="the archive is closed"):
        list(archive.posts())


def test_the_import_reads_no_settings_and_loads_no_library() -> None:
    libraries = {"sqlalchemy", "pydantic", "structlog", "logging", "pandas", "archive"}
    code = f"import sys, mparchive; print(sorted(set(sys.modules) & {libraries}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
