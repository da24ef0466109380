"""Explain every statement that the program sends, at the moment and in the transaction in which it does."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from sqlalchemy import Engine, event

EXPLAIN = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) "
# Rows of one table that a statement reads: those of one account are fewer, a large table has more.
MOST_READ = 10_000
MOST_SORTED = 10_000
_EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


@dataclass(frozen=True, slots=True)
class Offence:
    """A step of a plan that reads or sorts too many rows, its statement, and what the program was doing."""

    during: str
    what: str
    rows: int
    statement: str

    def __str__(self) -> str:
        return f"{self.during}: {self.what} of {self.rows} rows: {' '.join(self.statement.split())[:400]}"


@dataclass
class Explained:
    """Counts the statements explained, and has what is wrong with their plans."""

    during: str = ""
    statements: dict[str, set[str]] = field(default_factory=dict)
    offences: dict[tuple[str, str], Offence] = field(default_factory=dict)

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Name what the program does in the block."""
        self.during = what
        yield
        self.during = ""

    def add(self, statement: str, plan: Mapping[str, Any]) -> None:
        """Add the plan of a statement."""
        self.statements.setdefault(self.during, set()).add(statement)
        for what, rows in _offending_steps(plan):
            offence = Offence(self.during, what, rows, statement)
            self.offences.setdefault((statement, what), offence)


def _offending_steps(plan: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    loops = plan.get("Actual Loops", 1)
    parts = plan.get("Plans", ())
    if "Relation Name" in plan and "Scan" in plan["Node Type"]:
        names = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
        rows = round(sum(plan.get(name, 0) for name in names) * loops)
        if rows > MOST_READ:
            yield f"{plan['Node Type']} on {plan['Relation Name']}", rows
    if plan["Node Type"] == "Sort":
        rows = round(sum(part["Actual Rows"] * part["Actual Loops"] for part in parts))
        if rows > MOST_SORTED:
            yield f"Sort by {', '.join(plan['Sort Key'])[:100]}", rows
    for part in parts:
        yield from _offending_steps(part)


@contextmanager
def explaining(of: str) -> Iterator[Explained]:
    """Explain what any engine sends to the database of this name, in this process, while the block runs."""
    found = Explained()

    def explain(  # noqa: PLR0917 - SQLAlchemy's own protocol
        connection: Any, cursor: object, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        is_explained = statement.lstrip(" (\n").upper().startswith(_EXPLAINED)
        if connection.engine.url.database != of or not is_explained or not found.during:
            return
        driver = connection.connection.driver_connection
        given = parameters[0] if isinstance(parameters, list) else parameters
        try:
            with driver.transaction(force_rollback=True):
                rows = driver.execute(EXPLAIN + statement, given or None).fetchone()
        except psycopg.Error:  # the program's own statement fails too, and it says why
            return
        found.add(statement, rows[0][0]["Plan"])

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", explain)
