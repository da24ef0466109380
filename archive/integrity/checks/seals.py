"""seals: every row still has the hash its trigger gave it."""

from functools import partial

from sqlalchemy import Table, func, literal_column, select, text

from archive.db.migrations.row_seals import TRIGGER
from archive.db.models import Base, CaptureRow
from archive.integrity.check import FIRST, BatchResult, Check, Finding, RowRange, id_of

NAME = "seals"

ROWS = 5000

ROWS_WITH_BODIES = 200  # 50 kB each; a statement then reads 10 MB

CHANGED = "is not as it was written, beneath the database or past its triggers; restore it from a backup"

_SWITCHED_OFF = text(
    "SELECT NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass(:table) AND tgname = :name"
    " AND tgenabled IN ('O', 'A'))"
)


def _look(table: Table, look: RowRange) -> BatchResult:
    sealed = func.seal_of(literal_column(f'"{table.name}"'))
    changed = func.array_agg(id_of(table)).filter(table.c.seal.is_distinct_from(sealed))
    rows = select(func.count(), changed).select_from(table).where(look.has(id_of(table)))
    count, ids = look.session.execute(rows).one()
    findings = [Finding(NAME, table.name, id_, CHANGED) for id_ in sorted(ids or ())]
    return BatchResult(count, [*_switched_off(table, look), *findings])


def _switched_off(table: Table, look: RowRange) -> list[Finding]:
    """Once a table: what is written without its trigger has no seal of its own."""
    if look.after != FIRST or not look.session.scalar(_SWITCHED_OFF, {"table": table.name, "name": TRIGGER}):
        return []
    words = f"its trigger is switched off; ALTER TABLE {table.name} ENABLE TRIGGER {TRIGGER}"
    return [Finding(NAME, table.name, None, words)]


CHECKS = tuple(
    Check(
        NAME, table.name, ROWS_WITH_BODIES if table is CaptureRow.__table__ else ROWS, partial(_look, table)
    )
    for table in sorted(Base.metadata.tables.values(), key=lambda table: table.name)
)
