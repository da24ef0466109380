"""Count the hits of a search by account, month, kind and mark, for links that narrow it.

All hits are counted up to a number; of more than MAX_COUNTED_HITS only the newest RANKED are, and the counts
say so.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Date,
    Row,
    Select,
    Text,
    func,
    literal,
    null,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import Session, aliased

from archive.db.models import Absence, Account, PostSearchDocument, Version
from archive.db.models.base import ANY_OF_IDS
from archive.domain.outcomes import PostMark
from archive.repository.post_queries import EVERY_POST, IS_EDIT, PostFilter
from archive.search.engine import (
    RANKED,
    filter_conditions,
    matching,
    matching_shape,
    newest_matching,
    parameters_of,
    shape_of,
)
from archive.search.query import Query

MAX_COUNTED_HITS = 5000  # as many as a download has; counting them takes 50 ms

FEW_HITS = 200  # counting them takes less than finding and showing the first page

_COLUMNS = (
    PostSearchDocument.post_id,
    PostSearchDocument.account_id,
    PostSearchDocument.published_on,
    PostSearchDocument.kind,
)


@dataclass(frozen=True, slots=True)
class Facets:
    """How many hits have each value; `months` are first days with hits by kind, `accounts` has biz and name.

    `total` is of the hits that were counted: all of them, or the newest where `is_complete` is false.
    """

    total: int
    is_complete: bool
    accounts: list[tuple[str, str, int]]
    months: dict[date, Counter[str | None]]
    kinds: list[tuple[str | None, int]]
    marks: list[tuple[PostMark, int]]

    @property
    def years(self) -> list[tuple[int, int]]:
        """Return the hits of each year, the latest first; years without any are left out."""
        counts = Counter[int]()
        for month, kinds in self.months.items():
            counts[month.year] += kinds.total()
        return sorted(counts.items(), reverse=True)


def count_facets(
    session: Session, query: Query, chosen: PostFilter = EVERY_POST, most: int = MAX_COUNTED_HITS
) -> Facets:
    """Count the hits that a search for the query finds; one without words finds all posts of the filter.

    Of more than `most` hits below MAX_COUNTED_HITS, some are counted, and the result is not complete.
    """
    if filters := list(filter_conditions(session, chosen)):
        hits: Select[*tuple[Any, ...]] = select(*_COLUMNS).where(*filters)
        if query.words:
            hits = matching(hits.add_columns(PostSearchDocument.words), query).order_by(None)
        facets = _facets(session.execute(_counting(hits, most)).all())
    else:
        statement = _counting_all(*shape_of(query), has_words=bool(query.words), most=most)
        facets = _facets(session.execute(statement, parameters_of(query)).all())
    if facets.total <= most:
        return facets
    if most < MAX_COUNTED_HITS:
        return replace(facets, is_complete=False)
    newest = newest_matching(session, query, filters, RANKED)
    rows = session.execute(_counting_chosen(), {"ids": [place.post_id for place in newest]})
    return replace(_facets(rows.all()), is_complete=False)


@cache
def _counting_chosen() -> Select[*tuple[Any, ...]]:
    return _counting(select(*_COLUMNS).where(PostSearchDocument.post_id == ANY_OF_IDS), RANKED)


@cache
def _counting_all(words: int, excluded: int, *, has_words: bool, most: int) -> Select[*tuple[Any, ...]]:
    """Build the statement for the whole archive and all queries of a shape; building it takes 4 ms."""
    hits: Select[*tuple[Any, ...]] = select(*_COLUMNS)
    if has_words:
        hits = matching_shape(hits.add_columns(PostSearchDocument.words), words, excluded).order_by(None)
    return _counting(hits, most)


def _counting(rows: Select[*tuple[Any, ...]], most: int) -> Select[*tuple[Any, ...]]:
    hits = rows.limit(most + 1).cte("hits").prefix_with("MATERIALIZED")
    month = func.date_trunc("month", hits.c.published_on).cast(Date).label("month")
    groups = select(literal("").label("mark"), hits.c.account_id, month, hits.c.kind, func.count().label("n"))
    groups = groups.group_by(hits.c.account_id, month, hits.c.kind)
    parts = union_all(groups, *_marked(hits, most))
    names = aliased(Account)
    counted = parts.subquery()
    return select(counted, names.biz, names.name).outerjoin(names, names.id == counted.c.account_id)


def _marked(hits: CTE, most: int) -> Iterator[Select[*tuple[Any, ...]]]:
    """Count the hits with each mark. Each hit is looked up by itself: joined, whole tables may be read.

    None is where there are more than `most` hits: the newest of them are counted afterwards, or none.
    """
    are_few = select(func.count()).select_from(hits).scalar_subquery() <= most
    edits = select(literal(1).label("one")).where(Version.post_id == hits.c.post_id, *IS_EDIT)
    edit = edits.limit(1).lateral()
    lasts = func.bool_or(Absence.returned_at.is_(None)).label("lasts")
    away = select(lasts).where(Absence.post_id == hits.c.post_id).lateral()
    marks = select(
        func.count(edit.c.one).label(PostMark.EDITED),
        func.count().filter(away.c.lasts).label(PostMark.REMOVED),
        func.count().filter(~away.c.lasts).label(PostMark.RESTORED),
    )
    marks = marks.select_from(hits).outerjoin(edit, true()).outerjoin(away, true()).where(are_few)
    counted = marks.cte("marks").prefix_with("MATERIALIZED")
    nothing = (null().cast(BigInteger), null().cast(Date), null().cast(Text))
    for mark in (PostMark.EDITED, PostMark.REMOVED, PostMark.RESTORED):
        yield select(literal(str(mark)), *nothing, counted.c[str(mark)])


def _facets(rows: Iterable[Row[*tuple[Any, ...]]]) -> Facets:
    accounts, kinds = Counter[tuple[str, str]](), Counter[str | None]()
    months, marks = defaultdict[date, Counter[str | None]](Counter), list[tuple[PostMark, int]]()
    for row in rows:
        if row.mark:
            marks.append((PostMark(row.mark), row.n))
            continue
        accounts[row.biz, row.name] += row.n
        kinds[row.kind] += row.n
        months[row.month][row.kind] += row.n
    return Facets(
        total=kinds.total(),
        is_complete=True,
        accounts=[(biz, name, count) for (biz, name), count in accounts.most_common()],
        months=dict(sorted(months.items())),
        kinds=kinds.most_common(),
        marks=sorted((mark, count) for mark, count in marks if count),
    )
