"""Tests that the SQLite export has posts, versions, changes and links as texts, and finds Chinese words."""

import asyncio
import io
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from datasette.app import Datasette
from sqlalchemy.orm import Session

from archive.export import sqlite as sqlite_export
from archive.export.sqlite import write_sqlite
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.captures import store_captures
from archive.repository.post_queries import EVERY_POST, PostFilter
from tests.archive.making import BIZ, NOW, article, capture, link, record


@pytest.fixture
def path(db_session: Session, tmp_path: Path) -> Path:
    """Export a post with two versions and a link, and posts with odd titles."""
    odd = [record(n, title=title) for n, title in enumerate(("=1+1", "", "\x01\t\n'\"", "007"), 2)]
    import_records(db_session, None, odd, "dump", NOW)
    for minutes, text in enumerate(("关于印发管理办法的通知", "关于印发管理办法的通知（修订）")):
        (number,) = store_captures(db_session, None, [(None, capture(minutes=minutes))])
        page = article(record(1, text=text), links=(link(3),))
        store_parse_results(db_session, None, [(number, page)], NOW, 1)
    target = tmp_path / "posts.sqlite"
    with target.open("wb") as out:
        assert write_sqlite(db_session, EVERY_POST, out) == 5
    return target


@pytest.fixture
def database(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the exported database."""
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def rows(database: sqlite3.Connection, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    """Return the rows of a query."""
    return database.execute(statement, parameters).fetchall()


def test_posts_are_texts_exactly(database: sqlite3.Connection) -> None:
    found = rows(
        database, "SELECT aid, title, typeof(aid), text FROM posts WHERE aid != '1001_1' ORDER BY aid"
    )
    titles = ("=1+1", "", "\x01\t\n'\"", "007")
    assert found == [(f"{1000 + n}_1", title, "text", record().text) for n, title in enumerate(titles, 2)]


def test_versions_changes_and_links_belong_to_their_post(database: sqlite3.Connection) -> None:
    versions = rows(database, "SELECT biz, number, text FROM versions WHERE aid = '1001_1' ORDER BY number")
    texts = ("关于印发管理办法的通知", "关于印发管理办法的通知（修订）")
    assert versions == [(BIZ, number, text) for number, text in enumerate(texts, 1)]
    changes = rows(database, "SELECT kind, version FROM changes WHERE aid = '1001_1' ORDER BY at")
    assert changes == [("new", 1), ("edited", 2)]
    assert rows(database, "SELECT marks FROM posts WHERE aid = '1001_1'") == [('["edited"]',)]
    assert rows(database, "SELECT aid, relation, url FROM links") == [("1001_1", "post", link(3).url)]


def test_full_text_search_finds_chinese_words(database: sqlite3.Connection) -> None:
    statement = (
        """SELECT aid FROM posts WHERE rowid IN (SELECT rowid FROM posts_fts WHERE posts_fts MATCH ?)"""
    )
    assert rows(database, statement, "管理办法") == [("1001_1",)]
    assert rows(database, statement, "没有的词") == []


def test_datasette_opens_it_and_searches_it(path: Path) -> None:
    async def ask(*addresses: str) -> list[list[dict[str, object]]]:
        opened = Datasette([str(path)], settings={"num_sql_threads": 0})
        found = [await opened.client.get(f"/posts/{address}") for address in addresses]
        assert [one.status_code for one in found] == [200] * len(addresses)
        return [one.json() for one in found]

    posts, search, versions = asyncio.run(
        ask(
            "posts.json?_shape=array&_sort=aid",
            "posts.json?_shape=array&_search=%22%E7%AE%A1%E7%90%86%E5%8A%9E%E6%B3%95%22",  # 管理办法
            "versions.json?_shape=array&aid__exact=1001_1",
        )
    )
    assert [post["aid"] for post in posts] == [f"{1000 + n}_1" for n in range(1, 6)]
    assert posts[1]["title"] == "=1+1"
    assert [post["aid"] for post in search] == ["1001_1"]
    assert [version["number"] for version in versions] == [1, 2]


@pytest.mark.slow
def test_pandas_and_duckdb_read_aids_as_text(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        frame = pd.read_sql("SELECT * FROM posts", connection)
    assert sorted(frame["aid"]) == [f"{1000 + n}_1" for n in range(1, 6)]
    with duckdb.connect() as connection, pytest.MonkeyPatch.context() as patch:
        patch.chdir(path.parent)
        try:
            connection.execute("LOAD sqlite")
        except duckdb.Error:
            pytest.skip("DuckDB's extension for SQLite is not installed")
        found = connection.execute("SELECT aid FROM sqlite_scan('posts.sqlite', 'posts')").fetchall()
    assert len(found) == 5


def test_a_filter_restricts_every_table(db_session: Session, path: Path, tmp_path: Path) -> None:
    with (tmp_path / "one.sqlite").open("wb") as out:
        assert write_sqlite(db_session, PostFilter(kind="article"), out) == 1
    with closing(sqlite3.connect(tmp_path / "one.sqlite")) as database:
        for table, count in {"posts": 1, "versions": 2, "changes": 2, "links": 1}.items():
            assert rows(database, f"SELECT count(*) FROM {table}") == [(count,)], table
    assert path.stat().st_size > 0


def test_a_full_disk_is_an_error_of_the_system(
    db_session: Session, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def grow_no_more(tables: object) -> None:
        raise error

    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    monkeypatch.setattr(sqlite_export, "_finish", grow_no_more)
    monkeypatch.setattr(tempfile, "tempdir", str(path.parent))
    with pytest.raises(OSError, match="No space left"):
        write_sqlite(db_session, EVERY_POST, io.BytesIO())
    assert [one.name for one in path.parent.rglob("*") if one.is_file()] == ["posts.sqlite"]
