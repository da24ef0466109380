"""Keep the search index equal to the posts: write it with each post, check it, rebuild it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from sqlalchemy import BindParameter, ColumnElement, Row, Text, func, select, text, tuple_
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.db.models import Post, PostSearchDocument
from archive.db.models.base import insert_arrays
from archive.domain.messages import Message
from archive.domain.search_text import grams_of, words_of
from archive.repository.derived import refresh

AnyRow: TypeAlias = Row[*tuple[Any, ...]]

INDEX_BATCH = 500  # posts per statement: 2 MB of text

CHECK_EVERY = 200  # one post in so many is also looked up in the index, which takes 3 ms

_COLUMNS = (Post.id, Post.account_id, Post.published_on, Post.kind, Post.title, Post.text)

_INDEXED = (
    PostSearchDocument.account_id,
    PostSearchDocument.published_on,
    PostSearchDocument.kind,
    PostSearchDocument.words,
)


def index_posts(session: Session, post_ids: Sequence[int]) -> None:
    """Index the current text of these posts; call it in the transaction that wrote them."""
    ids = sorted(set(post_ids))
    for start in range(0, len(ids), INDEX_BATCH):
        posts = select(*_COLUMNS).where(Post.id.in_(ids[start : start + INDEX_BATCH])).order_by(Post.id)
        if rows := [_values(row) for row in session.execute(posts)]:
            insert, arrays = insert_arrays(PostSearchDocument, rows)
            changes = {column.name: insert.excluded[column.name] for column in _INDEXED}
            has_changed = tuple_(*_INDEXED).is_distinct_from(tuple_(*changes.values()))
            session.execute(
                insert.on_conflict_do_update(index_elements=["post_id"], set_=changes, where=has_changed),
                arrays,
            )


def rebuild_search_index(session: Session, progress: Callable[[int], None] = lambda _: None) -> int:
    """Index all posts again and return how many; `progress` gets the number done after each batch.

    Counters and the list of changes, which the database derives too, are computed again as well.
    """
    session.execute(text("SET LOCAL statement_timeout = 0"))  # a large archive takes minutes
    session.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
    done = 0
    for done, ids in _batches(session):
        index_posts(session, ids)
        progress(done)
    session.execute(text("REINDEX INDEX ix__post_search_documents__grams"))
    refresh(session.connection())
    return done


def check_search_index(session: Session) -> list[Message]:
    """Return what is wrong with the index of any post."""
    return [
        Message("archive.search_index.of_post", {"id": post_id, "reason": reason})
        for _, ids in _batches(session)
        for post_id, reason in search_index_errors(session, ids)
    ]


def search_index_errors(session: Session, post_ids: Sequence[int]) -> Iterator[tuple[int, Message]]:
    """Yield the id of each of these posts, at most INDEX_BATCH, whose index is wrong, and what is wrong."""
    posts = select(*_COLUMNS, *_INDEXED).outerjoin(PostSearchDocument, PostSearchDocument.post_id == Post.id)
    rows = session.execute(posts.where(Post.id.in_(post_ids)).order_by(Post.id)).all()
    differing = {row.id: reason for row in rows if (reason := _difference(row))}
    yield from differing.items()
    yield from _not_found(session, [row for row in rows[::CHECK_EVERY] if row.id not in differing])


def has_grams(grams: Sequence[str] | BindParameter[Sequence[str]]) -> ColumnElement[bool]:
    """Select posts that have all of these n-grams, by the index."""
    return func.search_grams(PostSearchDocument.words, type_=postgresql.ARRAY(Text)).contains(grams)


def _batches(session: Session) -> Iterator[tuple[int, Sequence[int]]]:
    done, after = 0, 0
    while ids := session.scalars(
        select(Post.id).where(Post.id > after).order_by(Post.id).limit(INDEX_BATCH)
    ).all():
        done, after = done + len(ids), ids[-1]
        yield done, ids


def _values(row: AnyRow) -> dict[str, Any]:
    return {
        "post_id": row[0],
        "account_id": row[1],
        "published_on": row[2],
        "kind": row[3],
        "words": words_of(row[4], row[5]),
    }


def _difference(row: AnyRow) -> Message | None:
    indexed = row[-len(_INDEXED) :]
    if indexed[0] is None:
        return Message("archive.search_index.post_missing")
    expected = _values(row)
    if tuple(indexed) != tuple(expected[column.name] for column in _INDEXED):
        return Message("archive.search_index.text_differs")
    return None


def _not_found(session: Session, rows: Sequence[AnyRow]) -> Iterator[tuple[int, Message]]:
    for row in rows:
        title, text_ = words_of(row.title, row.text).split("\n")
        grams = grams_of([title, text_])
        matching = select(PostSearchDocument.post_id).where(has_grams(grams))
        if grams and row.id not in session.scalars(matching):
            yield row.id, Message("archive.search_index.lookup_fails")
