"""Read what the database derives from the archive's tables as rows change: counters, and the list of changes.

Triggers keep it (archive/db/migrations/versions/v0014_derived.sql). It is in no backup: `refresh` computes it
anew, and `differences` compares it with the tables.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Connection,
    DateTime,
    MetaData,
    SmallInteger,
    Table,
    Text,
    any_,
    bindparam,
    func,
    select,
    text,
)
from sqlalchemy.orm import Session

SCHEMA = "derived"

HOUR = timedelta(hours=1)

LAST_HOUR = 2**40  # later than any instant, in hours since 1970

_METADATA = MetaData(schema=SCHEMA)

COUNTERS = Table(
    "counters",
    _METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("name", Text),
    Column("key", Text),
    Column("value", BigInteger),
)

CHANGES = Table(
    "changes",
    _METADATA,
    Column("rank", SmallInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("post_id", BigInteger),
    Column("account_id", BigInteger),
    Column("at", DateTime(timezone=True)),
    Column("previous_id", BigInteger),
)

TABLES = tuple(f"{SCHEMA}.{table.name}" for table in (COUNTERS, CHANGES))


def counts(session: Session, names: Sequence[str]) -> dict[str, Counter[str]]:
    """Return the counters of these names, each by its keys; a key that counts nothing is left out."""
    found: dict[str, Counter[str]] = {name: Counter() for name in names}
    for name, key, value in session.execute(_COUNTS, {"names": list(names)}):
        if value:
            found[name][key] = value
    return found


_COUNTS = (
    select(COUNTERS.c.name, COUNTERS.c.key, func.sum(COUNTERS.c.value).cast(BigInteger))
    .where(COUNTERS.c.name == any_(bindparam("names", type_=ARRAY(Text))))
    .group_by(COUNTERS.c.name, COUNTERS.c.key)
)


def hour_of(at: datetime) -> int:
    """Return the hour of an aware instant, in hours since 1970: what counters of hours are keyed by."""
    return int(at.timestamp() // HOUR.total_seconds())


def start_of_hour(at: datetime) -> datetime:
    """Return the beginning of the hour of an aware instant, in the same time zone."""
    return at - timedelta(seconds=at.timestamp() % HOUR.total_seconds())


def refresh(connection: Connection) -> None:
    """Compute all that is derived anew, as after the rows were loaded without triggers."""
    connection.execute(text("SELECT derived.refresh()"))


_COUNTER_DIFFERENCES = text(
    "SELECT name, key, coalesce(kept.value, 0), coalesce(counted.value, 0)"
    " FROM (SELECT name, key, sum(value) AS value FROM derived.counters GROUP BY name, key) kept"
    " FULL JOIN derived.counted USING (name, key)"
    " WHERE coalesce(kept.value, 0) <> coalesce(counted.value, 0) ORDER BY name, key"
)

_CHANGE_DIFFERENCES = text(
    "SELECT DISTINCT post_id FROM ("
    " (SELECT rank, id, post_id, account_id, at, previous_id FROM derived.changes"
    "  EXCEPT SELECT rank, id, post_id, account_id, at, previous_id FROM derived.changed)"
    " UNION ALL (SELECT rank, id, post_id, account_id, at, previous_id FROM derived.changed"
    "  EXCEPT SELECT rank, id, post_id, account_id, at, previous_id FROM derived.changes)) differing"
    " ORDER BY post_id"
)


def counter_differences(session: Session) -> Iterator[tuple[str, int, int]]:
    """Yield the counters that are wrong: name with key, what it says, what the tables say."""
    for name, key, kept, counted in session.execute(_COUNTER_DIFFERENCES):
        yield f"{name} {key}".strip(), int(kept), int(counted)


def posts_with_other_changes(session: Session) -> Sequence[int]:
    """Return the ids of posts whose listed changes are not those of their versions and absences."""
    return session.scalars(_CHANGE_DIFFERENCES).all()
