"""What search reads of posts, kept equal to them: written with each post, checked, computed anew."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Row, Select, Text, func, select, text, tuple_
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.db.models import Post, PostWords
from archive.domain.search_text import grams_of, words_of

AnyRow: TypeAlias = Row[*tuple[Any, ...]]

BATCH = 500  # posts a statement: 2 MB of text

CHECK_EVERY = 200  # posts for one that is also asked of the index: 16 runs of it take 3 ms

_COLUMNS = (Post.id, Post.account_id, Post.published_on, Post.kind, Post.title, Post.text)

_KEPT = (PostWords.account_id, PostWords.published_on, PostWords.kind, PostWords.words)


def index_posts(session: Session, post_ids: Sequence[int]) -> None:
    """Let these posts be found by what they say now; within the transaction that wrote them."""
    ids = sorted(set(post_ids))
    for start in range(0, len(ids), BATCH):
        _write(session, select(*_COLUMNS).where(Post.id.in_(ids[start : start + BATCH])).order_by(Post.id))


def rebuild(session: Session, step: Callable[[int], None] = lambda _: None) -> int:
    """Compute anew what search reads of all posts, and its index; how many posts, as `step` hears."""
    session.execute(text("SET LOCAL statement_timeout = 0"))  # a large archive takes minutes
    session.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
    done = 0
    for done, ids in _batches(session):
        index_posts(session, ids)
        step(done)
    session.execute(text("REINDEX INDEX ix__post_words__grams"))
    return done


def check(session: Session) -> list[str]:
    """What is not as it should be, a sentence each: all posts' words, and of some that the index has them."""
    return [sentence for _, ids in _batches(session) for _, sentence in flaws(session, ids)]


def flaws(session: Session, post_ids: Sequence[int]) -> Iterator[tuple[int, str]]:
    """The same of these posts, at most BATCH: the id of each post that has one."""
    posts = select(*_COLUMNS, *_KEPT).outerjoin(PostWords, PostWords.post_id == Post.id)
    rows = session.execute(posts.where(Post.id.in_(post_ids)).order_by(Post.id)).all()
    differing = {row.id: sentence for row in rows if (sentence := _difference(row))}
    yield from differing.items()
    yield from _unfound(session, [row for row in rows[::CHECK_EVERY] if row.id not in differing])


def has_grams(grams: Sequence[str]) -> ColumnElement[bool]:
    """Whether a post has all of these runs; asked of the index."""
    return func.search_grams(PostWords.words, type_=postgresql.ARRAY(Text)).contains(grams)


def _batches(session: Session) -> Iterator[tuple[int, Sequence[int]]]:
    done, after = 0, 0
    while ids := session.scalars(select(Post.id).where(Post.id > after).order_by(Post.id).limit(BATCH)).all():
        done, after = done + len(ids), ids[-1]
        yield done, ids


def _write(session: Session, posts: Select[*tuple[Any, ...]]) -> None:
    rows = [_values(row) for row in session.execute(posts)]
    if not rows:
        return
    insert = postgresql.insert(PostWords)
    new = insert.excluded
    changes = {column.name: new[column.name] for column in _KEPT}
    has_changed = tuple_(*_KEPT).is_distinct_from(tuple_(*changes.values()))
    session.execute(
        insert.on_conflict_do_update(index_elements=["post_id"], set_=changes, where=has_changed), rows
    )


def _values(row: AnyRow) -> dict[str, Any]:
    return {
        "post_id": row[0],
        "account_id": row[1],
        "published_on": row[2],
        "kind": row[3],
        "words": words_of(row[4], row[5]),
    }


def _difference(row: AnyRow) -> str | None:
    kept = row[-len(_KEPT) :]
    if kept[0] is None:
        return f"post {row.id}: search does not know it; `mparchive search --rebuild` repairs that"
    if tuple(kept) != tuple(_values(row)[column.name] for column in _KEPT):
        return f"post {row.id}: search has other words than it; `mparchive search --rebuild` repairs that"
    return None


def _unfound(session: Session, rows: Sequence[AnyRow]) -> Iterator[tuple[int, str]]:
    for row in rows:
        title, text_ = words_of(row.title, row.text).split("\n")
        grams = grams_of([title, text_])
        asked = select(PostWords.post_id).where(has_grams(grams))
        if grams and row.id not in session.scalars(asked):
            words = "the index of search has lost it; `mparchive search --rebuild` repairs that"
            yield row.id, f"post {row.id}: {words}"
