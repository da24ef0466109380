"""Locks that end with the process that has them, however it ends: a line's turn, and a run that goes on.

Each is the session lock of a connection of its own, which has no transaction open. A database that restarts
forgets them all: a crawl that lives through that has no turn for the rest of it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum, StrEnum

from sqlalchemy import BigInteger, Connection, Engine, Select, cast, column, func, literal, select, table
from sqlalchemy.exc import DBAPIError

POLL = 0.5  # seconds between two tries to get what another has; they cost a query each

# Of a machine that lost its power nothing tells the server; by itself it would ask after two hours.
_KEEPALIVE = {"tcp_keepalives_idle": "60", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "6"}

_PG_LOCKS = table(
    "pg_locks", *map(column, ("locktype", "database", "classid", "objid", "objsubid", "granted"))
)

_PG_DATABASE = table("pg_database", column("oid"), column("datname"))

_TWO_KEYS = 2  # pg_locks.objsubid of a lock that was taken by two keys


class Hosts(StrEnum):
    """What is asked through a line: WeChat's pages and listings, or the files they show."""

    PAGES = "pages"
    MEDIA = "media"


class _Kind(IntEnum):
    """The first key; any numbers that nobody else uses."""

    TURN = 417_020_001
    RUN = 417_020_002


@contextmanager
def egress_lock(
    engine: Engine,
    egress: str,
    hosts: Hosts,
    *,
    wait: float = 0.0,
    on_wait: Callable[[], None] | None = None,
) -> Iterator[bool]:
    """Have a line to oneself, for these hosts, while the block lasts; False: another has it.

    Whoever crawls has a turn, so that a line never asks twice at a time. Another's end is waited for at most
    `wait` seconds; `on_wait` is called once before that.
    """
    key = func.hashtext(f"{egress}:{hosts}")  # two lines of one number would only be too polite
    with _own_connection(engine) as connection:
        mine = _try(connection, _Kind.TURN, key)
        if not mine and wait > 0:
            if on_wait:
                on_wait()
            until = time.monotonic() + wait
            while not mine and time.monotonic() < until:
                time.sleep(POLL)
                mine = _try(connection, _Kind.TURN, key)
        yield mine


@contextmanager
def run_lock(engine: Engine, run_id: int) -> Iterator[None]:
    """Let others see that a run goes on while the block lasts: what it has to fetch is claimed."""
    with _own_connection(engine) as connection:
        _try(connection, _Kind.RUN, literal(run_id))
        yield


def live_runs() -> Select[int]:
    """The ids of the runs that go on, as a subquery."""
    here = select(_PG_DATABASE.c.oid).where(_PG_DATABASE.c.datname == func.current_database())
    return select(cast(_PG_LOCKS.c.objid, BigInteger)).where(
        _PG_LOCKS.c.locktype == "advisory",
        _PG_LOCKS.c.database == here.scalar_subquery(),
        _PG_LOCKS.c.classid == int(_Kind.RUN),
        _PG_LOCKS.c.objsubid == _TWO_KEYS,
        _PG_LOCKS.c.granted,
    )


def _try(connection: Connection, kind: _Kind, key: object) -> bool:
    return bool(connection.scalar(select(func.pg_try_advisory_lock(int(kind), key))))


@contextmanager
def _own_connection(engine: Engine) -> Iterator[Connection]:
    """A connection that no pool gets back, so that its locks end with it at the latest."""
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.detach()
        connection.execute(select(*(func.set_config(*one, False) for one in _KEEPALIVE.items())))
        try:
            yield connection
        finally:
            with suppress(DBAPIError):  # a database that is away, or was, has forgotten them
                connection.execute(select(func.pg_advisory_unlock_all()))
