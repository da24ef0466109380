"""Check rows against the database itself: their checksums, the rows they refer to, and the search index."""

from functools import partial

from sqlalchemy import ForeignKey, Table, func, literal_column, select, text
from sqlalchemy.orm import aliased

from archive.db.migrations.row_seals import TRIGGER
from archive.db.models import (
    AddressRow,
    Base,
    Body,
    CaptureRow,
    ParseResult,
    Post,
    SightingRow,
    UnparsedCapture,
)
from archive.domain.messages import Message
from archive.domain.outcomes import FORGOTTEN
from archive.integrity.check import FIRST_ID, BatchResult, Check, Finding, RowRange, id_column
from archive.repository.post_queries import IS_ITS_RESULT
from archive.repository.search_index import INDEX_BATCH, search_index_errors

SEALS, REFERENCES, SEARCH = "seals", "ties", "search"  # names of the checks

ROWS_AT_ONCE = 5000

# Bodies have no numbers: they are checked by the captures that refer to them.
_TABLES = [table for name, table in sorted(Base.metadata.tables.items()) if name != Body.__tablename__]

_TRIGGER_IS_OFF = text(
    "SELECT NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass(:table) AND tgname = :name"
    " AND tgenabled IN ('O', 'A'))"
)


def check_seals(table: Table, rows: RowRange) -> BatchResult:
    """Check that every row still has the checksum its trigger gave it."""
    expected = func.seal_of(literal_column(f'"{table.name}"'))
    changed = func.array_agg(id_column(table)).filter(table.c.seal.is_distinct_from(expected))
    query = select(func.count(), changed).select_from(table).where(rows.contains(id_column(table)))
    count, ids = rows.session.execute(query).one()
    message = Message("archive.integrity.row_changed")
    findings = [Finding(SEALS, table.name, id_, message) for id_ in sorted(ids or ())]
    return BatchResult(count, [*_check_trigger(table, rows), *findings])


def _check_trigger(table: Table, rows: RowRange) -> list[Finding]:
    """Check once a table that its trigger is on: rows written without it have no checksum of their own."""
    names = {"table": table.name, "name": TRIGGER}
    if rows.after != FIRST_ID or not rows.session.scalar(_TRIGGER_IS_OFF, names):
        return []
    message = Message("archive.integrity.trigger_off", {"table": table.name, "trigger": TRIGGER})
    return [Finding(SEALS, table.name, None, message)]


def check_references(table: Table, rows: RowRange) -> BatchResult:
    """Check that every row that another one belongs to is there."""
    keys = sorted(table.foreign_keys, key=lambda key: key.parent.name)
    findings = [finding for key in keys for finding in _missing_targets(key, rows)]
    if table is AddressRow.__table__:
        findings.extend(_addresses_without_sighting(rows))
    if table is CaptureRow.__table__:
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
    seen = select(SightingRow.id).where(SightingRow.address_id == AddressRow.id).exists()
    is_forgotten = AddressRow.last_outcome.is_not_distinct_from(FORGOTTEN)  # its sightings were removed
    query = select(AddressRow.id).where(rows.contains(AddressRow.id), ~seen, ~is_forgotten)
    query = query.order_by(AddressRow.id)
    message = Message("archive.integrity.sightings_missing")
    return [Finding(REFERENCES, "addresses", id_, message) for id_ in rows.session.scalars(query)]


def _captures_with_delta_as_base(rows: RowRange) -> list[Finding]:
    """Find deltas whose base is itself a delta: a delta base is always stored whole."""
    base = aliased(Body)
    query = select(CaptureRow.id, base.sha256).join(Body, Body.sha256 == CaptureRow.sha256)
    query = query.join(base, base.sha256 == Body.base_sha256)
    query = query.where(rows.contains(CaptureRow.id), base.base_sha256.is_not(None))
    code = "archive.integrity.base_is_delta"
    return [
        Finding(REFERENCES, "captures", id_, Message(code, {"sha256": sha256.hex()}))
        for id_, sha256 in rows.session.execute(query.order_by(CaptureRow.id))
    ]


def _wrong_parse_results(rows: RowRange) -> list[Finding]:
    """Find captures whose newest parse result is not the current one, or that neither have one nor wait."""
    newest = select(func.max(ParseResult.id)).where(ParseResult.capture_id == CaptureRow.id)
    current = select(ParseResult.id).where(IS_ITS_RESULT)
    waits = select(UnparsedCapture.capture_id).where(UnparsedCapture.capture_id == CaptureRow.id).exists()
    columns = (newest.scalar_subquery().label("newest"), current.scalar_subquery().label("current"))
    query = select(CaptureRow.id, *columns, waits.label("waits")).where(rows.contains(CaptureRow.id))
    message = Message("archive.integrity.parse_result_differs")
    return [
        Finding(REFERENCES, "captures", row.id, message)
        for row in rows.session.execute(query.order_by(CaptureRow.id))
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
            result.findings.append(Finding(SEARCH, "post_words", id_, message))
    return result


SEAL_CHECKS = tuple(
    Check(
        SEALS,
        table.name,
        ROWS_AT_ONCE,
        partial(check_seals, table),
    )
    for table in _TABLES
    if "seal" in table.columns
)

REFERENCE_CHECKS = tuple(
    Check(REFERENCES, table.name, ROWS_AT_ONCE, partial(check_references, table))
    for table in _TABLES
    if table.foreign_keys
)

SEARCH_CHECK = Check(SEARCH, "posts", INDEX_BATCH, check_search_index)
