"""Count the hits of a search by account, month, kind and mark, for links that narrow it.

All hits are counted up to MAX_COUNTED_HITS; of more only the newest RANKED are, and the counts say so.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import CTE, BigInteger, Date, Row, Select, Text, func, literal, null, select, true, union_all
from sqlalchemy.orm import Session, aliased

from archive.db.models import Absence, Account, PostSearchDocument, Version
from archive.domain.outcomes import PostMark
from archive.repository.post_queries import EVERY_POST, IS_EDIT, PostFilter
from archive.search.engine import RANKED, filter_conditions, matching, newest_matching
from archive.search.query import Query

MAX_COUNTED_HITS = 5000  # as many as a download has; counting them takes 50 ms

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


def count_facets(session: Session, query: Query, chosen: PostFilter = EVERY_POST) -> Facets:
    """Count the hits that a search for the query finds; one without words finds all posts of the filter."""
    filters = list(filter_conditions(session, chosen))
    hits: Select[*tuple[Any, ...]] = select(*_COLUMNS).where(*filters)
    if query.words:
        hits = matching(hits.add_columns(PostSearchDocument.words), query).order_by(None)
    facets = _count(session, hits.limit(MAX_COUNTED_HITS + 1))
    if facets.total <= MAX_COUNTED_HITS:
        return facets
    newest = newest_matching(session, query, filters, RANKED)
    hits = select(*_COLUMNS).where(PostSearchDocument.post_id.in_([place.post_id for place in newest]))
    return replace(_count(session, hits), is_complete=False)


def _count(session: Session, rows: Select[*tuple[Any, ...]]) -> Facets:
    hits = rows.cte("hits").prefix_with("MATERIALIZED")
    month = func.date_trunc("month", hits.c.published_on).cast(Date).label("month")
    groups = select(literal("").label("mark"), hits.c.account_id, month, hits.c.kind, func.count().label("n"))
    groups = groups.group_by(hits.c.account_id, month, hits.c.kind)
    parts = union_all(groups, *_marked(hits))
    names = aliased(Account)
    counted = parts.subquery()
    found = select(counted, names.biz, names.name).outerjoin(names, names.id == counted.c.account_id)
    return _facets(session.execute(found).all())


def _marked(hits: CTE) -> Iterator[Select[*tuple[Any, ...]]]:
    """Count the hits with each mark. Each hit is looked up by itself: joined, whole tables may be read.

    None is where there are more than MAX_COUNTED_HITS, as then only the newest hits are counted, afterwards.
    """
    are_few = select(func.count()).select_from(hits).scalar_subquery() <= MAX_COUNTED_HITS
    versions = select(literal(1)).where(Version.post_id == hits.c.post_id, *IS_EDIT).limit(1).lateral()
    lasts = func.bool_or(Absence.returned_at.is_(None)).label("lasts")
    away = select(lasts).where(Absence.post_id == hits.c.post_id).group_by(Absence.post_id).lateral()
    for mark, found, condition in (
        (PostMark.EDITED, versions, true()),
        (PostMark.REMOVED, away, away.c.lasts),
        (PostMark.RESTORED, away, ~away.c.lasts),
    ):
        nothing = (null().cast(BigInteger), null().cast(Date), null().cast(Text))
        rows = select(literal(str(mark)), *nothing, func.count()).select_from(hits)
        yield rows.join(found, true()).where(condition, are_few)


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
