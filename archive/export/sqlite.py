"""Export posts, their versions, changes and links as a SQLite database with full-text search."""

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO

from sqlalchemy.orm import Session

from archive.export.result import OnPosts, ignore_posts
from archive.reports.changes import PostChange, changes_of_posts
from archive.reports.post_list import PostRow, whole_posts
from archive.repository.heads import last_digest
from archive.repository.post_queries import PostFilter
from archive.repository.posts import links_of_posts
from archive.repository.versions import DatedVersion, dated_versions, end_of_day, texts_at
from archive.system.files import process_folder

if TYPE_CHECKING:
    from sqlite_utils import Database
    from sqlite_utils.db import Table

_POST: dict[str, type] = {"biz": str, "aid": str}

POSTS = _POST | {
    "account": str, "title": str, "url": str, "published_on": str, "published_at": str, "kind": str,
    "marks": str, "first_archived_at": str, "text": str,
}  # fmt: skip

VERSIONS = _POST | {
    "number": int, "place": int, "title": str, "text": str, "content_hash": str, "source": str,
    "capture_id": int, "parser_version": int, "at": str, "dated_by": str, "recorded_at": str,
}  # fmt: skip

CHANGES = _POST | {
    "kind": str, "at": str, "account": str, "title": str, "url": str, "published_on": str, "version": int,
    "previous_version": int, "previous_title": str, "characters": int, "previous_characters": int,
    "source": str, "outcome": str, "reason": str, "last_seen_at": str, "missing_since": str,
    "capture_id": int,
}  # fmt: skip

HEAD = {"taken_at": str, "digest": str}

LINKS = _POST | {"relation": str, "position": int, "key": str, "url": str, "text": str}

_TOKENIZERS = ("trigram", "unicode61")  # the first that this SQLite has; trigrams find Chinese words

_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})


def write_sqlite(
    session: Session, chosen: PostFilter, out: BinaryIO, on_posts: OnPosts = ignore_posts
) -> int:
    """Write the posts of a filter as a database, and return how many were written.

    It is made in the temporary folder, then copied. Raises OSError.
    """
    with TemporaryDirectory(dir=process_folder()) as folder:
        path = Path(folder) / "posts.sqlite"
        try:
            count = _write_database(session, chosen, path, on_posts)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _FULL:
                raise
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        with path.open("rb") as file:
            shutil.copyfileobj(file, out)
    return count


def _write_database(session: Session, chosen: PostFilter, path: Path, on_posts: OnPosts) -> int:
    # It imports pandas where that is installed: 100 MB that other formats need not have.
    from sqlite_utils import Database  # noqa: PLC0415

    count = 0
    with closing(sqlite3.connect(path)) as connection, connection:
        # The file is deleted when writing it fails, so nothing in it needs to be safe before the end.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        database = Database(connection)
        tables = _create_tables(database)
        for batch in whole_posts(session, chosen):
            _insert(tables["posts"], (_values(post, POSTS) for _, post in batch))
            _insert_details(session, dict(batch), tables, chosen)
            count += len(batch)
            on_posts(count)
        _finish(database)
        if head := last_digest(session):
            _insert(tables["head"], [{"taken_at": head.taken_at.isoformat(), "digest": head.digest}])
    return count


def _create_tables(database: "Database") -> "dict[str, Table]":
    names: dict[str, dict[str, Any]] = {
        "posts": POSTS,
        "versions": VERSIONS,
        "changes": CHANGES,
        "links": LINKS,
        "head": HEAD,
    }
    for name, columns in names.items():
        database.table(name).create(columns)
    return {name: database.table(name) for name in names}


def _insert_details(
    session: Session, posts: dict[int, PostRow], tables: "dict[str, Table]", chosen: PostFilter
) -> None:
    """Insert versions, changes and links of a batch of posts; of an earlier day those known by its end.

    Links are known of current pages only.
    """
    ids: Sequence[int] = list(posts)
    versions: Iterable[tuple[int, DatedVersion]] = dated_versions(session, ids)
    changes: Iterable[PostChange] = changes_of_posts(session, ids)
    if chosen.version_at is not None:
        end = end_of_day(chosen.version_at)
        versions = ((post_id, one) for post_id, one in versions if one.at <= end)
        changes = (one for one in changes if one.at <= end)
        ids = [post_id for post_id, then in texts_at(session, ids, end).items() if then.is_current]
    _insert(tables["versions"], (_values(one, VERSIONS, posts[post_id]) for post_id, one in versions))
    _insert(tables["changes"], (_values(one, CHANGES) for one in changes))
    links = links_of_posts(session, ids)
    _insert(tables["links"], (_values(one, LINKS, posts[one.post_id]) for one in links))


def _values(row: object, columns: dict[str, type], post: PostRow | None = None) -> dict[str, Any]:
    return {name: _plain(getattr(post if post and name in _POST else row, name)) for name in columns}


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return json.dumps(value, ensure_ascii=False)
    return value


def _insert(table: "Table", rows: Iterable[dict[str, Any]]) -> None:
    table.insert_all(rows, batch_size=50)


def _finish(database: "Database") -> None:
    """Add the indexes and the full-text search of titles and texts."""
    database.table("posts").create_index(["aid", "biz"], unique=True)
    database.table("posts").create_index(["published_on"])
    for name in ("versions", "changes", "links"):
        database.table(name).create_index(["aid", "biz"])
    database.table("posts").enable_fts(["title", "text"], tokenize=_tokenizer(database))


def _tokenizer(database: "Database") -> str:
    for name in _TOKENIZERS:
        try:
            database.execute(f"CREATE VIRTUAL TABLE temp.probe USING fts5(a, tokenize = '{name}')")
        except sqlite3.OperationalError:
            continue
        database.execute("DROP TABLE temp.probe")
        return name
    return _TOKENIZERS[-1]
