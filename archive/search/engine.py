"""Search itself: which posts have the words, page by page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Literal, TypeAlias

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Row,
    Select,
    Text,
    Tuple,
    bindparam,
    func,
    select,
    tuple_,
)
from sqlalchemy.orm import Session

from archive.db.models import Account, Post, PostWords
from archive.domain.pg_text import storable
from archive.domain.search_text import grams_of, is_exact
from archive.repository.search_index import has_grams
from archive.search.query import Query, SearchError
from archive.search.results import Cursor, Place, excerpt, read_cursor, score

Order = Literal["date", "relevance"]

MAX_LIMIT = 100  # hits a page

# Words that many posts have are found soonest by reading the newest posts; 500 take 4 ms. Where these fill
# two fifths of a page, some more fill the rest sooner than the index, which names all posts that have the
# words; else the words are rare enough for it.
WALKED = 500

WORTH = 0.4  # of a page, found among the newest, is worth reading on

READ_ON = 3  # times so many are read then at most: twice what fills a page at that rate

RANKED = 500  # newest hits that are ranked by relevance; older ones follow by date

NEWEST_FIRST = (PostWords.published_on.desc(), PostWords.post_id.desc())

_place = tuple_(PostWords.published_on, PostWords.post_id)


@dataclass(frozen=True, slots=True)
class Hit:
    """A post that has the words; the excerpt's pieces are true where they are one of them."""

    post_id: int
    aid: str
    biz: str
    account: str
    title: str
    published_on: date
    kind: str | None
    excerpt: list[tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class Found:
    """A page of hits, and what to hand in as `after` for the next one; None: there is none."""

    hits: list[Hit]
    next: str | None


Filters: TypeAlias = Sequence[ColumnElement[bool]]

Word: TypeAlias = str | BindParameter[str]

Limit: TypeAlias = int | BindParameter[int] | None

Rows: TypeAlias = Select[*tuple[Any, ...]]


def search(  # noqa: PLR0913 - filters, all by name
    session: Session,
    query: Query,
    *,
    account: str | None = None,
    kind: str | None = None,
    since: date | None = None,
    until: date | None = None,
    order: Order = "date",
    limit: int = 20,
    after: str | None = None,
) -> Found:
    """The posts that have all of the query's words and none of those it excludes, a page of them.

    By date the newest come first, of one day those archived last; by relevance the newest RANKED are ranked
    and the rest follows by date. `since` and `until` are days in Asia/Shanghai, both included. `account` is a
    biz or a name. Raises SearchError for a limit out of bounds and for an `after` that no page gave.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise SearchError(f"a page has 1 to {MAX_LIMIT} hits, not {limit}")
    cursor = read_cursor(after) if after else None
    filters: list[ColumnElement[bool]] = []
    filters += [] if account is None else [PostWords.account_id.in_(_accounts(session, account))]
    filters += [] if kind is None else [PostWords.kind == kind]
    filters += [] if since is None else [PostWords.published_on >= since]
    filters += [] if until is None else [PostWords.published_on <= until]
    page = _ranked if order == "relevance" and not (cursor and cursor.score is None) else _by_date
    return page(session, query, filters, limit, cursor)


def _accounts(session: Session, account: str) -> Sequence[int]:
    account = storable(account)
    named = select(Account.id).where((Account.biz == account) | (Account.name == account))
    once = select(Post.account_id).where(Post.account_name == account).distinct()
    return session.scalars(named).all() or session.scalars(once).all()


def _by_date(session: Session, query: Query, filters: Filters, limit: int, cursor: Cursor | None) -> Found:
    places = newest(session, query, filters, limit + 1, cursor.last if cursor else None)
    following = str(Cursor(places[limit - 1])) if len(places) > limit else None
    return Found(_hits(session, query, places[:limit]), following)


def _ranked(session: Session, query: Query, filters: Filters, limit: int, cursor: Cursor | None) -> Found:
    """A page of the newest hits by their scores; after the last of them, by date what is older."""
    if cursor and cursor.oldest:
        filters = [*filters, _place >= _at(cursor.oldest)]
    places = newest(session, query, filters, RANKED)
    if not places:
        return Found([], None)
    oldest = cursor.oldest if cursor and cursor.oldest else places[-1]
    ranking = sorted(zip(_scores(session, query, places), places, strict=True), reverse=True)
    if cursor and cursor.score is not None:
        ranking = [rank for rank in ranking if rank < (cursor.score, cursor.last)]
    chosen = ranking[:limit]
    hits = _hits(session, query, [place for _, place in chosen])
    if len(ranking) > limit:
        value, last = chosen[-1]
        return Found(hits, str(Cursor(last, value, oldest)))
    return Found(hits, str(Cursor(oldest)) if len(places) >= RANKED else None)


def _at(place: Place) -> Tuple:
    return tuple_(place.published_on, place.post_id)


def newest(
    session: Session, query: Query, filters: Filters, limit: int, before: Place | None = None
) -> list[Place]:
    """The newest posts that match, in order: by reading the newest, else by the index."""
    among = max(WALKED, 4 * limit)
    found = _walked(session, query, filters, limit, before=before, among=among)
    if max(1, WORTH * limit) <= len(found) < limit:
        rest = limit - len(found)
        found += _walked(session, query, filters, rest, before=found[-1], among=READ_ON * among)
    if len(found) >= limit:
        return found
    return _places(session, matching(_posts_before(filters, before), query, limit))


def _walked(  # noqa: PLR0913 - what is looked for, and where
    session: Session, query: Query, filters: Filters, limit: int, *, before: Place | None, among: int
) -> list[Place]:
    if not filters and before is None:
        return _walked_from_the_newest(session, query, limit, among)
    rows = _posts_before(filters, before).limit(among)
    return _places(session, _with_words(rows, query, query.words, limit))


def _walked_from_the_newest(session: Session, query: Query, limit: int, among: int) -> list[Place]:
    """What most ask first, by a statement made once: making it takes as long as reading dozens of posts."""
    said = {f"word_{place}": word for place, word in enumerate((*query.words, *query.excluded))}
    statement = _first_walk(len(query.words), len(query.excluded))
    return _places(session, statement, {**said, "limit": limit, "among": among})


@cache
def _first_walk(words: int, excluded: int) -> Rows:
    """The statement for so many words: a question has at most MAX_WORDS of both."""
    said = [bindparam(f"word_{place}", type_=Text) for place in range(words + excluded)]
    rows = _posts_before((), None).limit(bindparam("among", type_=Integer))
    return _having(rows, said[:words], said[words:], bindparam("limit", type_=Integer))


def _posts_before(filters: Filters, before: Place | None) -> Rows:
    older = [] if before is None else [_place < _at(before)]
    rows = select(PostWords.published_on, PostWords.post_id, PostWords.words)
    return rows.where(*filters, *older).order_by(*NEWEST_FIRST)


def _places(session: Session, rows: Rows, said: Mapping[str, Any] | None = None) -> list[Place]:
    return [Place(*row) for row in session.execute(rows, said)]


def matching(chosen: Rows, query: Query, limit: int | None = None) -> Rows:
    """Places of the chosen rows that match, told by the index; what it tells of long words is checked."""
    candidates = chosen.where(has_grams(grams_of(query.words)))
    return _with_words(
        candidates.offset(0), query, [word for word in query.words if not is_exact(word)], limit
    )


def _with_words(rows: Rows, query: Query, words: Sequence[str], limit: int | None) -> Rows:
    """Of the rows, in their order, those that have the words and none that are excluded."""
    return _having(rows, words, query.excluded, limit)


def _having(rows: Rows, words: Sequence[Word], excluded: Sequence[Word], limit: Limit) -> Rows:
    row = rows.subquery()
    has = [func.strpos(row.c.words, word) > 0 for word in words]
    has_not = [func.strpos(row.c.words, word) == 0 for word in excluded]
    found = select(row.c.published_on, row.c.post_id).where(*has, *has_not)
    return found.order_by(row.c.published_on.desc(), row.c.post_id.desc()).limit(limit)


def _scores(session: Session, query: Query, places: Sequence[Place]) -> list[int]:
    rows = select(PostWords.post_id, PostWords.words)
    rows = rows.where(PostWords.post_id.in_([place.post_id for place in places]))
    scores = {post_id: score(words, query.words) for post_id, words in session.execute(rows)}
    return [scores[place.post_id] for place in places]


def _hits(session: Session, query: Query, places: Sequence[Place]) -> list[Hit]:
    columns = (
        Post.id,
        Post.aid,
        Account.biz,
        Post.account_name,
        Post.title,
        Post.published_on,
        Post.kind,
        Post.text,
    )
    posts = select(*columns).join(Account, Account.id == Post.account_id)
    rows = session.execute(posts.where(Post.id.in_([place.post_id for place in places])))
    hits = {row.id: _hit(row, query) for row in rows}
    return [hits[place.post_id] for place in places]


def _hit(row: Row[*tuple[Any, ...]], query: Query) -> Hit:
    return Hit(
        row.id,
        row.aid,
        row.biz,
        row.account_name,
        row.title,
        row.published_on,
        row.kind,
        excerpt(row.text, query.words),
    )
