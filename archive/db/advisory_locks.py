"""Locks that end with the process that holds them, however it ends: of an egress, and of a run.

Each is a session-level advisory lock on a connection of its own without an open transaction. A database that
restarts forgets them all: a crawl that goes on after that holds no lock for the rest of it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum, StrEnum

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Select,
    SQLColumnExpression,
    cast,
    column,
    func,
    literal,
    select,
    table,
)
from sqlalchemy.exc import DBAPIError

LOCK_POLL_SECONDS = 0.5  # between two tries to take a lock that another process holds; each costs a query

# A client that lost its power does not close its connection; the server's default is two hours.
_KEEPALIVE = {"tcp_keepalives_idle": "60", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "6"}

_PG_LOCKS = table(
    "pg_locks", *map(column, ("locktype", "database", "classid", "objid", "objsubid", "granted"))
)

_PG_DATABASE = table("pg_database", column("oid"), column("datname"))

_OBJID = 0xFFFFFFFF  # pg_locks.objid has a key of 32 bits without its sign

_TWO_KEYS = 2  # pg_locks.objsubid of a lock that was taken by two keys


class Hosts(StrEnum):
    """What is fetched through an egress: WeChat's pages and listings, or the media they show."""

    PAGES = "pages"
    MEDIA = "media"


class _Kind(IntEnum):
    """The first key of a lock: any numbers that nothing else uses."""

    EGRESS = 417_020_001
    RUN = 417_020_002
    SCHEDULER = 417_020_003


@contextmanager
def egress_lock(
    engine: Engine,
    egress: str,
    hosts: Hosts,
    *,
    wait: float = 0.0,
    on_wait: Callable[[], None] | None = None,
) -> Iterator[bool]:
    """Lock an egress for these hosts while the block lasts; yield False when another crawl holds the lock.

    Every crawl takes it, so that an egress never sends two requests at once. Wait at most `wait` seconds for
    the other crawl to end; `on_wait` is called once before that.
    """
    key = func.hashtext(f"{egress}:{hosts}")  # two egresses of equal hash only wait for each other
    with _own_connection(engine) as connection:
        locked = _try(connection, _Kind.EGRESS, key)
        if not locked and wait > 0:
            if on_wait:
                on_wait()
            until = time.monotonic() + wait
            while not locked and time.monotonic() < until:
                time.sleep(LOCK_POLL_SECONDS)
                locked = _try(connection, _Kind.EGRESS, key)
        yield locked


@contextmanager
def run_lock(engine: Engine, run_id: int) -> Iterator[None]:
    """Mark a run as alive while the block lasts, so that its claims hold."""
    with _own_connection(engine) as connection:
        _try(connection, _Kind.RUN, literal(run_id))
        yield


@contextmanager
def scheduler_lock(engine: Engine) -> Iterator[bool]:
    """Mark that a scheduler works on this archive while the block lasts; yield False beside another one."""
    with _own_connection(engine) as connection:
        yield _try(connection, _Kind.SCHEDULER, literal(0))


def is_locked(egress: SQLColumnExpression[str], hosts: Hosts) -> ColumnElement[bool]:
    """Tell whether a crawl holds the `egress_lock` of an egress for these hosts."""
    key = cast(func.hashtext(egress + f":{hosts}"), BigInteger).op("&", return_type=BigInteger())(_OBJID)
    return key.in_(_held_keys(_Kind.EGRESS))


def live_runs() -> Select[int]:
    """Select the ids of the runs whose `run_lock` is held, as a subquery."""
    return _held_keys(_Kind.RUN)


def _held_keys(kind: _Kind) -> Select[int]:
    here = select(_PG_DATABASE.c.oid).where(_PG_DATABASE.c.datname == func.current_database())
    return select(cast(_PG_LOCKS.c.objid, BigInteger)).where(
        _PG_LOCKS.c.locktype == "advisory",
        _PG_LOCKS.c.database == here.scalar_subquery(),
        _PG_LOCKS.c.classid == int(kind),
        _PG_LOCKS.c.objsubid == _TWO_KEYS,
        _PG_LOCKS.c.granted,
    )


def _try(connection: Connection, kind: _Kind, key: object) -> bool:
    return bool(connection.scalar(select(func.pg_try_advisory_lock(int(kind), key))))


@contextmanager
def _own_connection(engine: Engine) -> Iterator[Connection]:
    """Open a connection that is not returned to the pool, so that its locks end with it at the latest."""
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.detach()
        connection.execute(select(*(func.set_config(*one, False) for one in _KEEPALIVE.items())))
        try:
            yield connection
        finally:
            with suppress(DBAPIError):  # a database that was away has forgotten them
                connection.execute(select(func.pg_advisory_unlock_all()))
