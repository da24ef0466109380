"""Connections of those who read over HTTP: few, read-only, each statement with an end.

They are apart from the crawler's, so that however many readers there are, nothing that is fetched waits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.orm import Session

CONNECTIONS = 8  # of one process
WAIT = 5.0  # seconds for one that is free
STATEMENT = 10  # seconds a statement may take
CONNECT = 5  # seconds

NO_DATABASE = (DBAPIError, NoConnectionFree)


class Readers:
    """Sessions that see one state of the archive and cannot change it, while the `with` block runs."""

    def __init__(self, archive: Engine):
        self._engine = create_engine(
            archive.url,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=WAIT,
            pool_pre_ping=True,
            hide_parameters=True,
            isolation_level="REPEATABLE READ",
            connect_args={
                "connect_timeout": CONNECT,
                "application_name": "mparchive reading room",
                "options": f"-c timezone=UTC -c statement_timeout={STATEMENT}s "
                "-c default_transaction_read_only=on",
            },
        )

    @property
    def engine(self) -> Engine:
        """For what opens its own transactions."""
        return self._engine

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction. Raises one of NO_DATABASE when there is no connection or it breaks."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._engine.dispose()
