"""Check rows against each other: the rows they refer to, and the search index."""

from functools import partial

from sqlalchemy import ForeignKey, Table, func, select
from sqlalchemy.orm import aliased

from archive.db.models import (
    Address,
    Base,
    Body,
    Capture,
    ParseResult,
    Post,
    Sighting,
    UnparsedCapture,
)
from archive.domain.messages import Message
from archive.domain.outcomes import FORGOTTEN
from archive.integrity.check import BatchResult, Check, Finding, RowRange, id_column
from archive.repository.post_queries import IS_ITS_RESULT
from archive.repository.search_index import INDEX_BATCH, search_index_errors

REFERENCES, SEARCH = "ties", "search"  # names of the checks

ROWS_AT_ONCE = 5000

# Bodies have no numbers: they are checked by the captures that refer to them.
_TABLES = [table for name, table in sorted(Base.metadata.tables.items()) if name != Body.__tablename__]


def check_references(table: Table, rows: RowRange) -> BatchResult:
    """Check that every row that another one belongs to is there."""
    keys = sorted(table.foreign_keys, key=lambda key: key.parent.name)
    findings = [finding for key in keys for finding in _missing_targets(key, rows)]
    if table is Address.__table__:
        findings.extend(_addresses_without_sighting(rows))
    if table is Capture.__table__:
        findings.extend(_captures_with_delta_as_base(rows))
        findings.extend(_wrong_parse_results(rows))
    count = select(func.count()).select_from(table).where(rows.contains(id_column(table)))
    return BatchResult(rows.session.scalar(count) or 0, findings)


def _missing_targets(key: ForeignKey, rows: RowRange) -> list[Finding]:
    column, table, target = key.parent, key.parent.table, key.column.table.alias()
    exists = select(target).where(target.c[key.column.name] == column).exists()
    query = select(id_column(table), column)
    query = query.where(rows.contains(id_column(table)), column.is_not(None), ~exists)
    names = {"column": column.name, "target": key.column.table.name}
    return [
        Finding(
            REFERENCES,
            table.name,
            id_,
            Message("archive.integrity.reference_missing", {**names, "value": _shown(value)}),
        )
        for id_, value in rows.session.execute(query.order_by(id_column(table)))
    ]


def _shown(value: int | bytes) -> int | str:
    return value.hex() if isinstance(value, bytes) else value


def _addresses_without_sighting(rows: RowRange) -> list[Finding]:
    seen = select(Sighting.id).where(Sighting.address_id == Address.id).exists()
    is_forgotten = Address.last_outcome.is_not_distinct_from(FORGOTTEN)  # its sightings were removed
    query = select(Address.id).where(rows.contains(Address.id), ~seen, ~is_forgotten)
    query = query.order_by(Address.id)
    message = Message("archive.integrity.sightings_missing")
    return [Finding(REFERENCES, "addresses", id_, message) for id_ in rows.session.scalars(query)]


def _captures_with_delta_as_base(rows: RowRange) -> list[Finding]:
    """Find deltas whose base is itself a delta: a delta base is always stored whole."""
    base = aliased(Body)
    query = select(Capture.id, base.sha256).join(Body, Body.sha256 == Capture.sha256)
    query = query.join(base, base.sha256 == Body.base_sha256)
    query = query.where(rows.contains(Capture.id), base.base_sha256.is_not(None))
    code = "archive.integrity.base_is_delta"
    return [
        Finding(REFERENCES, "captures", id_, Message(code, {"sha256": sha256.hex()}))
        for id_, sha256 in rows.session.execute(query.order_by(Capture.id))
    ]


def _wrong_parse_results(rows: RowRange) -> list[Finding]:
    """Find captures whose newest parse result is not the current one, or that neither have one nor wait."""
    newest = select(func.max(ParseResult.id)).where(ParseResult.capture_id == Capture.id)
    current = select(ParseResult.id).where(IS_ITS_RESULT)
    waits = select(UnparsedCapture.capture_id).where(UnparsedCapture.capture_id == Capture.id).exists()
    columns = (newest.scalar_subquery().label("newest"), current.scalar_subquery().label("current"))
    query = select(Capture.id, *columns, waits.label("waits")).where(rows.contains(Capture.id))
    message = Message("archive.integrity.parse_result_differs")
    return [
        Finding(REFERENCES, "captures", row.id, message)
        for row in rows.session.execute(query.order_by(Capture.id))
        if row.newest != row.current or row.waits != (row.newest is None)
    ]


def check_search_index(rows: RowRange) -> BatchResult:
    """Check that search finds posts by the words they have."""
    query = select(Post.id).where(rows.contains(Post.id)).order_by(Post.id)
    ids = rows.session.scalars(query).all()
    result = BatchResult(len(ids))
    for start in range(0, len(ids), INDEX_BATCH):
        for id_, reason in search_index_errors(rows.session, ids[start : start + INDEX_BATCH]):
            message = Message("archive.integrity.search_differs", {"reason": reason})
            result.findings.append(Finding(SEARCH, "post_search_documents", id_, message))
    return result


REFERENCE_CHECKS = tuple(
    Check(REFERENCES, table.name, ROWS_AT_ONCE, partial(check_references, table))
    for table in _TABLES
    if table.foreign_keys
)

SEARCH_CHECK = Check(SEARCH, "posts", INDEX_BATCH, check_search_index)
