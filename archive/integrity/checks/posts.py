"""posts: versions have the hash of what they say, and each post is one of its versions."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, cast, func, literal, select

from archive.db.models import Post, Version
from archive.domain.records import HASH_VERSION
from archive.integrity.check import BatchResult, Check, Finding, RowRange

NAME = "posts"

ROWS = 1000

CHANGED = "its title and text do not have its content_hash; restore it from a backup"

OF_NO_VERSION = "what it says is none of its versions; restore it from a backup"

OTHER_AID = "its aid is not that of its mid and idx; restore it from a backup"


def _hash(title: Any, text: Any) -> ColumnElement[str]:
    """archive.content_hash in SQL."""
    parts = [
        func.int8send(cast(func.octet_length(part), BigInteger)).op("||")(_bytes(part))
        for part in (title, text)
    ]
    return literal(f"{HASH_VERSION}:").op("||")(func.encode(func.sha256(parts[0].op("||")(parts[1])), "hex"))


def _bytes(part: Any) -> ColumnElement[bytes]:
    return func.convert_to(part, "UTF8")


def _look_at_versions(look: RowRange) -> BatchResult:
    right = Version.content_hash == _hash(Version.title, Version.text)
    rows = select(Version.id, right).where(look.has(Version.id)).order_by(Version.id)
    found = BatchResult()
    for id_, is_right in look.session.execute(rows):
        found.rows += 1
        if not is_right:
            found.findings.append(Finding(NAME, "versions", id_, CHANGED))
    return found


def _look_at_posts(look: RowRange) -> BatchResult:
    versions = select(Version.id).where(Version.post_id == Post.id)
    same = versions.where(Version.content_hash == Post.content_hash)
    is_half = ~versions.exists() & (Post.text == "")  # the text is there only when a browser has drawn it
    rows = select(
        Post.id,
        (Post.content_hash == _hash(Post.title, Post.text)).label("is_right"),
        (same.exists() | is_half).label("is_version"),
        (Post.aid == func.concat(Post.mid, "_", Post.idx)).label("is_named"),
    )
    found = BatchResult()
    for row in look.session.execute(rows.where(look.has(Post.id)).order_by(Post.id)):
        found.rows += 1
        flaws = {CHANGED: row.is_right, OF_NO_VERSION: row.is_version, OTHER_AID: row.is_named}
        found.findings += [Finding(NAME, "posts", row.id, words) for words, good in flaws.items() if not good]
    return found


CHECKS = (
    Check(NAME, "versions", ROWS, _look_at_versions),
    Check(NAME, "posts", ROWS, _look_at_posts),
)
