"""A check: a way of looking at the rows of one table, some at a time."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, FromClause, SQLColumnExpression
from sqlalchemy.orm import Session

from archive.capture import Capture
from archive.integrity.finding import Found
from archive.media.folder import MediaFolder
from archive.reading import Reading

FIRST, LAST = -(2**63), 2**63 - 1  # ids; a flipped bit may have made any


def id_of(table: FromClause) -> ColumnElement[int]:
    """The column that names a table's rows."""
    (column,) = table.primary_key
    return column


@dataclass(frozen=True)
class Means:
    """What checks need beside the database. `read` is the parser, of version `parser_version`."""

    folder: MediaFolder
    read: Callable[[Capture], Reading]
    parser_version: int


@dataclass(frozen=True)
class Look:
    """Some rows to look at: those with ids after `after`, up to and with `last`."""

    session: Session
    means: Means
    after: int = FIRST
    last: int = LAST

    def has(self, id_: SQLColumnExpression[int]) -> ColumnElement[bool]:
        """Whether a row is among them."""
        return (id_ > self.after) & (id_ <= self.last)


@dataclass(frozen=True)
class Check:
    """`name` is what people choose it by, `rows` how many are looked at at once.

    Several of one name look at several tables. One that `is_heavy` keeps a processor busy.
    """

    name: str
    table: str
    rows: int
    look: Callable[[Look], Found]
    is_heavy: bool = False
