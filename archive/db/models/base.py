"""Define what all tables share: names of constraints by rule, instants with a time zone."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from sqlalchemy import BigInteger, DateTime, Identity, MetaData, Text, any_, bindparam, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMING_CONVENTION = {
    "ix": "ix__%(table_name)s__%(column_0_N_name)s",
    "uq": "uq__%(table_name)s__%(column_0_N_name)s",
    "ck": "ck__%(table_name)s__%(constraint_name)s",
    "fk": "fk__%(table_name)s__%(column_0_N_name)s__%(referred_table_name)s",
    "pk": "pk__%(table_name)s",
}

Key = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]


def one_of(column: str, values: Iterable[str], *more: str) -> str:
    """Return the SQL condition that a column has one of these values, or of `more`."""
    listed = ", ".join(f"'{value}'" for value in (*values, *more))
    return f"{column} IN ({listed})"


class Base(DeclarativeBase):
    """Base class of all tables."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own protocol
        datetime: DateTime(timezone=True),
        str: Text,
        int: BigInteger,
        dict[str, Any]: JSONB(none_as_null=True),
        dict[str, int]: JSONB(none_as_null=True),
        list[Any]: JSONB,
    }


# Compared with a column in statements that are kept: it is one of the parameter `ids`.
ANY_OF_IDS = any_(bindparam("ids", type_=postgresql.ARRAY(BigInteger)))

_inserts: dict[tuple[str, ...], postgresql.Insert] = {}  # by table and columns


def insert_arrays(
    model: type[Base], rows: Sequence[Mapping[str, Any]]
) -> tuple[postgresql.Insert, dict[str, list[Any]]]:
    """Return the INSERT of these rows, of which all have the same columns, and an array for each column.

    To insert row by row takes a multiple of the time, in Python and in Postgres. The statement is built once:
    that takes longer than to run it for a page.
    """
    names = tuple(rows[0])
    key = (model.__tablename__, *names)
    if key not in _inserts:
        table = Base.metadata.tables[model.__tablename__]
        types = {name: postgresql.ARRAY(table.c[name].type) for name in names}
        arrays = (func.unnest(bindparam(name, type_=type_)) for name, type_ in types.items())
        _inserts[key] = postgresql.insert(table).from_select(names, select(*arrays))
    return _inserts[key], {name: [row[name] for row in rows] for name in names}
