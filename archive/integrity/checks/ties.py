"""ties: every row that another one belongs to is there."""

from functools import partial

from sqlalchemy import ForeignKey, Table, func, select

from archive.db.models import AddressRow, Base, CaptureRow, SightingRow
from archive.integrity.check import BatchResult, Check, Finding, RowRange, id_of

NAME = "ties"

ROWS = 5000


def _look(table: Table, look: RowRange) -> BatchResult:
    findings = [finding for key in _foreign_keys(table) for finding in _loose(key, look)]
    if table is AddressRow.__table__:
        findings.extend(_unseen(look))
    if table is CaptureRow.__table__:
        findings.extend(_stored_twice_over(look))
    return BatchResult(_count(table, look), findings)


def _foreign_keys(table: Table) -> list[ForeignKey]:
    return sorted(table.foreign_keys, key=lambda key: key.parent.name)


def _count(table: Table, look: RowRange) -> int:
    return look.session.scalar(select(func.count()).select_from(table).where(look.has(id_of(table)))) or 0


def _loose(key: ForeignKey, look: RowRange) -> list[Finding]:
    column, table, target = key.parent, key.parent.table, key.column.table.alias()
    there = select(target).where(target.c[key.column.name] == column).exists()
    rows = select(id_of(table), column).where(look.has(id_of(table)), column.is_not(None), ~there)
    return [
        Finding(NAME, table.name, id_, f"its {column.name} is {to}, but {key.column.table.name} {to} is gone;"
                " restore it from a backup")
        for id_, to in look.session.execute(rows.order_by(id_of(table)))
    ]  # fmt: skip


def _unseen(look: RowRange) -> list[Finding]:
    """An address is noted with the sighting that told of it."""
    seen = select(SightingRow.id).where(SightingRow.address_id == AddressRow.id).exists()
    rows = select(AddressRow.id).where(look.has(AddressRow.id), ~seen).order_by(AddressRow.id)
    words = (
        "nothing says any more where it was seen: its rows in sightings are gone; restore them from a backup"
    )
    return [Finding(NAME, "addresses", id_, words) for id_ in look.session.scalars(rows)]


def _stored_twice_over(look: RowRange) -> list[Finding]:
    """A reference is stored whole."""
    reference = CaptureRow.__table__.alias()
    rows = select(CaptureRow.id, CaptureRow.reference_id).join(
        reference, reference.c.id == CaptureRow.reference_id
    )
    rows = rows.where(look.has(CaptureRow.id), reference.c.reference_id.is_not(None)).order_by(CaptureRow.id)
    return [
        Finding(NAME, "captures", id_, f"its reference, captures {to}, is itself stored against another;"
                " restore both from a backup")
        for id_, to in look.session.execute(rows)
    ]  # fmt: skip


CHECKS = tuple(
    Check(NAME, table.name, ROWS, partial(_look, table))
    for table in sorted(Base.metadata.tables.values(), key=lambda table: table.name)
    if table.foreign_keys
)
