"""Find the posts that have the words of a query, page by page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Literal, TypeAlias

from sqlalchemy import (
    ARRAY,
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

from archive.db.models import Account, Post, PostSearchDocument
from archive.db.models.base import ANY_OF_IDS
from archive.domain.search_text import grams_of, is_exact
from archive.domain.text import storable
from archive.repository.accounts import accounts_named
from archive.repository.notes import noted_ids
from archive.repository.post_queries import EVERY_POST, PostFilter, has_mark
from archive.repository.search_index import has_grams
from archive.search.query import Query, SearchError
from archive.search.results import DatePosition, SearchCursor, excerpt, read_cursor, score

Order = Literal["date", "relevance"]

MAX_LIMIT = 100  # hits a page

# Frequent words are found fastest by scanning the newest posts; 500 take 4 ms. Where these fill two fifths of
# a page, scanning some more fills the rest faster than the index, which returns all posts with the words;
# else the words are rare enough for the index.
SCANNED = 500

SCAN_ON_SHARE = 0.4  # of a page found by the first scan makes a second one worth it

SCAN_ON_FACTOR = 3  # of posts scanned then at most: twice what fills a page at that rate

RANKED = 500  # newest hits that are ranked by relevance; older ones follow by date

BY_DATE = (PostSearchDocument.published_on.desc(), PostSearchDocument.post_id.desc())

_position = tuple_(PostSearchDocument.published_on, PostSearchDocument.post_id)


@dataclass(frozen=True, slots=True)
class Hit:
    """A post that has the words; pieces of the excerpt are marked true where they are one of them."""

    post_id: int
    aid: str
    biz: str
    account: str
    title: str
    published_on: date
    kind: str | None
    excerpt: list[tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page of hits, and the cursor of the next page; None on the last."""

    hits: list[Hit]
    next: str | None


_Filters: TypeAlias = Sequence[ColumnElement[bool]]

_Word: TypeAlias = str | BindParameter[str]

_Limit: TypeAlias = int | BindParameter[int] | None

_Rows: TypeAlias = Select[*tuple[Any, ...]]


def search(  # noqa: PLR0913 - the last three by name
    session: Session,
    query: Query,
    chosen: PostFilter = EVERY_POST,
    *,
    order: Order = "date",
    limit: int = 20,
    after: str | None = None,
) -> SearchPage:
    """Return a page of the posts that have all of the query's words and none of those it excludes.

    A query without words is of all posts that the filter selects, by date.

    By date the newest come first, of one day those archived last; by relevance the newest RANKED are ranked
    and the rest follows by date. Raises SearchError for a limit out of bounds and for a cursor that no page
    gave.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise SearchError("archive.search.bad_limit", limit=limit, most=MAX_LIMIT)
    cursor = read_cursor(after) if after else None
    filters = list(filter_conditions(session, chosen))
    page = (
        _ranked
        if query.words and order == "relevance" and not (cursor and cursor.score is None)
        else _by_date
    )
    return page(session, query, filters, limit, cursor)


def filter_conditions(session: Session, chosen: PostFilter) -> Iterator[ColumnElement[bool]]:
    """Yield what a filter demands of a search document."""
    if chosen.account is not None:
        named = accounts_named(session, storable(chosen.account))
        yield PostSearchDocument.account_id.in_([account.id for account in named])
    if chosen.kind is not None:
        yield PostSearchDocument.kind == chosen.kind
    if chosen.since is not None:
        yield PostSearchDocument.published_on >= chosen.since
    if chosen.until is not None:
        yield PostSearchDocument.published_on <= chosen.until
    if chosen.mark is not None:
        yield has_mark(PostSearchDocument.post_id, chosen.mark)
    if chosen.tags or chosen.is_starred:
        yield PostSearchDocument.post_id.in_(noted_ids(chosen.tags, is_starred=chosen.is_starred))


def _by_date(
    session: Session, query: Query, filters: _Filters, limit: int, cursor: SearchCursor | None
) -> SearchPage:
    places = newest_matching(session, query, filters, limit + 1, cursor.last if cursor else None)
    following = str(SearchCursor(places[limit - 1])) if len(places) > limit else None
    return SearchPage(_hits(session, query, places[:limit]), following)


def _ranked(
    session: Session, query: Query, filters: _Filters, limit: int, cursor: SearchCursor | None
) -> SearchPage:
    """Return a page of the newest hits by their scores; after the last of them, older hits by date."""
    if cursor and cursor.oldest:
        filters = [*filters, _position >= _at(cursor.oldest)]
    places = newest_matching(session, query, filters, RANKED)
    if not places:
        return SearchPage([], None)
    oldest = cursor.oldest if cursor and cursor.oldest else places[-1]
    ranking = sorted(zip(_scores(session, query, places), places, strict=True), reverse=True)
    if cursor and cursor.score is not None:
        ranking = [rank for rank in ranking if rank < (cursor.score, cursor.last)]
    chosen = ranking[:limit]
    hits = _hits(session, query, [place for _, place in chosen])
    if len(ranking) > limit:
        value, last = chosen[-1]
        return SearchPage(hits, str(SearchCursor(last, value, oldest)))
    return SearchPage(hits, str(SearchCursor(oldest)) if len(places) >= RANKED else None)


def _at(place: DatePosition) -> Tuple:
    return tuple_(place.published_on, place.post_id)


def newest_matching(
    session: Session, query: Query, filters: _Filters, limit: int, before: DatePosition | None = None
) -> list[DatePosition]:
    """Return the newest posts that match, in order: by scanning the newest posts, else by the index."""
    if not query.words and not query.excluded:
        rows = _posts_before(filters, before).with_only_columns(
            PostSearchDocument.published_on, PostSearchDocument.post_id
        )
        return _load_positions(session, rows.limit(limit))
    among = max(SCANNED, 4 * limit)
    positions = _scan(session, query, filters, limit, before=before, among=among)
    if max(1, SCAN_ON_SHARE * limit) <= len(positions) < limit:
        rest = limit - len(positions)
        positions += _scan(session, query, filters, rest, before=positions[-1], among=SCAN_ON_FACTOR * among)
    if len(positions) >= limit:
        return positions
    if not filters and before is None:
        statement = _first_by_index(*shape_of(query))
        return _load_positions(session, statement, {**parameters_of(query), "limit": limit})
    return _load_positions(session, matching(_posts_before(filters, before), query, limit))


def _scan(  # noqa: PLR0913 - what is searched for, and where
    session: Session, query: Query, filters: _Filters, limit: int, *, before: DatePosition | None, among: int
) -> list[DatePosition]:
    if not filters and before is None:
        return _scan_newest(session, query, limit, among)
    rows = _posts_before(filters, before).limit(among)
    return _load_positions(session, _with_words(rows, query, query.words, limit))


def _scan_newest(session: Session, query: Query, limit: int, among: int) -> list[DatePosition]:
    """Scan the newest posts by a cached statement: building it takes as long as reading dozens of posts."""
    statement = _first_scan(len(query.words), len(query.excluded))
    values = {**_word_values((*query.words, *query.excluded)), "limit": limit, "among": among}
    return _load_positions(session, statement, values)


@cache
def _first_scan(words: int, excluded: int) -> _Rows:
    """Build the statement for so many words: a query has at most MAX_WORDS of both."""
    rows = _posts_before((), None).limit(bindparam("among", type_=Integer))
    return _having_parameters(rows, words, excluded, bindparam("limit", type_=Integer))


def _posts_before(filters: _Filters, before: DatePosition | None) -> _Rows:
    older = [] if before is None else [_position < _at(before)]
    rows = select(PostSearchDocument.published_on, PostSearchDocument.post_id, PostSearchDocument.words)
    return rows.where(*filters, *older).order_by(*BY_DATE)


def _load_positions(
    session: Session, rows: _Rows, parameters: Mapping[str, Any] | None = None
) -> list[DatePosition]:
    return [DatePosition(*row) for row in session.execute(rows, parameters)]


def matching(chosen: _Rows, query: Query, limit: int | None = None) -> _Rows:
    """Select the chosen rows that match by the index, without their words; long words are checked."""
    candidates = chosen.where(has_grams(grams_of(query.words)))
    return _with_words(candidates.offset(0), query, _long_words(query), limit)


def shape_of(query: Query) -> tuple[int, int]:
    """Return what of a query a statement by the index depends on: how many long and excluded words it has."""
    return len(_long_words(query)), len(query.excluded)


def parameters_of(query: Query) -> dict[str, Any]:
    """Return the parameters of a statement that `matching_shape` made."""
    return {"grams": grams_of(query.words), **_word_values((*_long_words(query), *query.excluded))}


def matching_shape(chosen: _Rows, words: int, excluded: int, limit: _Limit = None) -> _Rows:
    """Do as `matching` for all queries of a shape: a statement that is kept saves the time of building it."""
    rows = chosen.where(has_grams(bindparam("grams", type_=ARRAY(Text)))).offset(0)
    return _having_parameters(rows, words, excluded, limit)


def _word_values(words: Sequence[str]) -> dict[str, str]:
    """Return the values of the parameters that `_having_parameters` makes."""
    return {f"word_{place}": word for place, word in enumerate(words)}


def _having_parameters(rows: _Rows, words: int, excluded: int, limit: _Limit) -> _Rows:
    parameters = [bindparam(f"word_{place}", type_=Text) for place in range(words + excluded)]
    return _having(rows, parameters[:words], parameters[words:], limit)


@cache
def _first_by_index(words: int, excluded: int) -> _Rows:
    return matching_shape(_posts_before((), None), words, excluded, bindparam("limit", type_=Integer))


def _long_words(query: Query) -> list[str]:
    """Return the words that the index alone cannot find."""
    return [word for word in query.words if not is_exact(word)]


def matching_ids(query: Query) -> Select[int]:
    """Select the ids of all posts that match by the index, in no order."""
    rows = matching(_posts_before((), None).order_by(None), query)
    return select(rows.order_by(None).subquery().c.post_id)


def _with_words(rows: _Rows, query: Query, words: Sequence[str], limit: int | None) -> _Rows:
    """Select the rows that have the words and none that are excluded, in their order."""
    return _having(rows, words, query.excluded, limit)


def _having(rows: _Rows, words: Sequence[_Word], excluded: Sequence[_Word], limit: _Limit) -> _Rows:
    row = rows.subquery()
    has = [func.strpos(row.c.words, word) > 0 for word in words]
    has_not = [func.strpos(row.c.words, word) == 0 for word in excluded]
    columns = [column for column in row.c if column is not row.c.words]
    matching_rows = select(*columns).where(*has, *has_not)
    return matching_rows.order_by(row.c.published_on.desc(), row.c.post_id.desc()).limit(limit)


def _scores(session: Session, query: Query, places: Sequence[DatePosition]) -> list[int]:
    rows = session.execute(_INDEXED_WORDS, {"ids": [place.post_id for place in places]})
    scores = {post_id: score(words, query.words) for post_id, words in rows}
    return [scores[place.post_id] for place in places]


_INDEXED_WORDS = select(PostSearchDocument.post_id, PostSearchDocument.words).where(
    PostSearchDocument.post_id == ANY_OF_IDS
)


def _hits(session: Session, query: Query, places: Sequence[DatePosition]) -> list[Hit]:
    rows = session.execute(_hit_rows(), {"ids": [place.post_id for place in places]})
    hits = {row.id: _hit(row, query) for row in rows}
    return [hits[place.post_id] for place in places]


@cache
def _hit_rows() -> _Rows:
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
    return select(*columns).join(Account, Account.id == Post.account_id).where(Post.id == ANY_OF_IDS)


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
