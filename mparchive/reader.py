"""Read an archive from Python: posts, versions, changes, captures and searches as typed objects.

`import mparchive` and `mparchive.open()` lead here. Nothing can be written: transactions are READ ONLY.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from archive.db.engine import open_as_reader
from archive.db.settings import ArchiveSettings
from archive.domain.day_ranges import DayRange
from archive.domain.errors import ArchiveError, NotArchived
from archive.domain.outcomes import ChangeKind, Kind, PostMark
from archive.reports.changes import ChangeFilter, PostChange, stream_changes
from archive.reports.post_list import PostRow, whole_post, whole_posts
from archive.repository.accounts import check_account
from archive.repository.captures import list_captures
from archive.repository.post_queries import PostFilter
from archive.repository.versions import DatedVersion, dated_versions
from archive.search.lookup import post_named, with_query

if TYPE_CHECKING:
    import pandas
    import polars

Row = TypeVar("Row")
Choice = TypeVar("Choice", bound=StrEnum)
Day = date | str | None


class FramesMissing(ArchiveError):
    """The library of data frames is not installed."""


class UnknownChoice(ArchiveError):
    """A value of which the archive has none."""


class ArchiveClosed(ArchiveError):
    """The archive was closed already."""


@dataclass(frozen=True, slots=True)
class PostCapture:
    """One response of the server for a post, without its bytes. `fetched_at` is UTC, `sha256` hexadecimal."""

    id: int
    requested_url: str
    status: int
    fetched_at: datetime
    sha256: str
    outcome: str | None
    reason: str


class RowListing(Generic[Row]):
    """Rows that are read each time they are iterated, some hundred at a time in memory."""

    def __init__(self, kind: type[Row], read: Callable[[], Iterator[Row]]) -> None:
        self._kind, self._read = kind, read

    def __iter__(self) -> Iterator[Row]:
        return self._read()

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the rows as a data frame of pandas. Raises FramesMissing."""
        try:
            import pandas as pd  # noqa: PLC0415 - an extra
        except ImportError:
            raise FramesMissing("archive.export.extra_missing", package="pandas", extra="pandas") from None
        return pd.DataFrame(self._columns())

    def to_polars(self) -> "polars.DataFrame":
        """Return the rows as a data frame of Polars. Raises FramesMissing."""
        try:
            import polars as pl  # noqa: PLC0415 - an extra
        except ImportError:
            raise FramesMissing("archive.export.extra_missing", package="polars", extra="polars") from None
        return pl.DataFrame(self._columns(), strict=False)

    def _columns(self) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = {one.name: [] for one in fields(self._kind)}  # type: ignore[arg-type]
        for row in self:
            for name, values in columns.items():
                values.append(_plain(getattr(row, name)))
        return columns


def _plain(value: Any) -> Any:
    """Return texts of enumerations as plain texts, and tuples of them as lists."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, str) else value


class ArchiveReader:
    """An archive, open for reading; a context manager.

    Days are of Asia/Shanghai, instants UTC. `account` is a name or a biz. Opening raises DatabaseUnavailable;
    everything raises NotArchived for a post or an account that is not in the archive, ArchiveClosed after
    `close`.
    """

    def __init__(self, url_or_home: str | Path | None = None) -> None:
        """Take the address of a Postgres server, a data folder, or nothing for that of the environment."""
        self._stack = ExitStack()
        engine = self._stack.enter_context(open_as_reader(_settings(url_or_home)))
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._engine: Engine | None = engine.execution_options(**options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the archive; its embedded server ends with the last who uses it."""
        self._engine = None
        self._stack.close()

    def posts(
        self,
        *,
        account: str | None = None,
        kind: str | None = None,
        since: Day = None,
        until: Day = None,
        changed: str | None = None,
    ) -> RowListing[PostRow]:
        """List posts with their texts, newest first; `changed` is edited, removed, restored or any."""
        return self._posts("", _filter(account, kind, since, until, changed))

    def search(  # noqa: PLR0913 - a filter is an argument
        self,
        query: str,
        *,
        account: str | None = None,
        kind: str | None = None,
        since: Day = None,
        until: Day = None,
        changed: str | None = None,
    ) -> RowListing[PostRow]:
        """List every post that `mparchive search` finds, newest first. Iterating raises SearchError."""
        return self._posts(query, _filter(account, kind, since, until, changed))

    def post(self, aid: str, *, account: str | None = None) -> PostRow:
        """Return one post by its aid, address, short link or title."""
        with self._session() as session:
            return whole_post(session, post_named(session, aid, account))

    def versions(self, aid: str, *, account: str | None = None) -> RowListing[DatedVersion]:
        """List every recorded version of a post whole, in the order in which they were published."""

        def read() -> Iterator[DatedVersion]:
            with self._session() as session:
                post = post_named(session, aid, account)
                yield from (version for _, version in dated_versions(session, [post.id]))

        return RowListing(DatedVersion, read)

    def captures(self, aid: str, *, account: str | None = None) -> RowListing[PostCapture]:
        """List the responses of the server for a post, the last stored first."""

        def read() -> Iterator[PostCapture]:
            with self._session() as session:
                yield from map(_capture, list_captures(session, post_named(session, aid, account)))

        return RowListing(PostCapture, read)

    def changes(
        self,
        *,
        account: str | None = None,
        kinds: Iterable[str] = (),
        since: Day = None,
        until: Day = None,
    ) -> RowListing[PostChange]:
        """List what changed, newest first; `kinds` are new, edited, removed and restored, none means all."""
        wanted = frozenset(_member(ChangeKind, kind) for kind in kinds)
        chosen = ChangeFilter(account, wanted, *_days(since, until))

        def read() -> Iterator[PostChange]:
            with self._session() as session:
                check_account(session, account)
                yield from stream_changes(session, chosen)

        return RowListing(PostChange, read)

    def _posts(self, query: str, chosen: PostFilter) -> RowListing[PostRow]:
        def read() -> Iterator[PostRow]:
            with self._session() as session:
                check_account(session, chosen.account)
                for batch in whole_posts(session, with_query(session, query, chosen)):
                    yield from (row for _, row in batch)

        return RowListing(PostRow, read)

    def _session(self) -> Session:
        if self._engine is None:
            raise ArchiveClosed("mparchive.reader.closed")
        return Session(self._engine)


def _settings(url_or_home: str | Path | None) -> ArchiveSettings:
    if url_or_home is None:
        return ArchiveSettings()
    if isinstance(url_or_home, str) and "://" in url_or_home:
        return ArchiveSettings(database_url=None, reader_database_url=url_or_home)
    home = Path(url_or_home)
    if not home.is_dir():
        raise NotArchived("mparchive.reader.no_folder", path=str(home))
    return ArchiveSettings(home=home, database_url=None, reader_database_url=None)


def _filter(account: str | None, kind: str | None, since: Day, until: Day, changed: str | None) -> PostFilter:
    mark = _member(PostMark, changed) if changed else None
    return PostFilter(account, _member(Kind, kind) if kind else None, *_days(since, until), mark)


def _member(kind: type[Choice], value: str) -> Choice:
    """Return a value of an enumeration. Raises UnknownChoice, which lists them."""
    if value not in list(kind):
        raise UnknownChoice("mparchive.reader.unknown_choice", value=value, choices=", ".join(kind))
    return kind(value)


def _days(since: Day, until: Day) -> tuple[date | None, date | None]:
    """Return the first and the last day. Raises DayError."""
    return (
        DayRange.read(since).first if isinstance(since, str) else since,
        DayRange.read(until).last if isinstance(until, str) else until,
    )


def _capture(row: dict[str, Any]) -> PostCapture:
    values = {one.name: row[one.name] for one in fields(PostCapture)}
    return PostCapture(**{**values, "sha256": row["sha256"].hex(), "reason": str(row["reason"])})
