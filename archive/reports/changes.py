"""List what changed in the archive: posts that were new, edited, removed or available again, newest first.

Edits follow from the versions of a post, removals and returns from its absences. A version that only a later
parser found in an earlier page is no edit: its publisher changed nothing.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from sqlalchemy import ColumnElement, Row, Select, func, select, tuple_
from sqlalchemy.orm import Session

from archive.db.models import Absence, Account, Post, Version
from archive.domain import pagination
from archive.domain.messages import Message
from archive.domain.outcomes import ChangeKind
from archive.domain.records import SHANGHAI
from archive.domain.text import has_visible_character, storable
from archive.reports.statistics import by_month
from archive.repository.derived import CHANGES
from archive.repository.post_queries import CursorError

CHANGE_BATCH = 500  # changes loaded at a time while they are streamed: without texts, 1 MB at most


_RANKS = {kind: rank for rank, kind in enumerate(ChangeKind)}  # order of changes of the same instant


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Select changes: account (name or biz), kinds (none: all), days in Asia/Shanghai, both included."""

    account: str | None = None
    kinds: frozenset[ChangeKind] = frozenset()
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class PostChange:
    """A change of a post. Instants are UTC.

    `at` is when the page that shows the change was fetched; of a version that came from no page, when it was
    recorded. The fields of versions are None for removals and returns, those of absences for versions.
    `title` is the one after the change.
    """

    kind: ChangeKind
    at: datetime
    biz: str
    aid: str
    account: str
    title: str
    url: str
    published_on: date
    version: int | None = None
    previous_version: int | None = None
    previous_title: str | None = None
    characters: int | None = None
    previous_characters: int | None = None
    source: str | None = None
    outcome: str | None = None
    reason: str | None = None
    last_seen_at: datetime | None = None
    missing_since: datetime | None = None
    capture_id: int | None = None

    def description(self) -> Message:
        """Return what happened, in one phrase."""
        outcome = Message(f"archive.outcome.{self.outcome}")
        match self.kind:
            case ChangeKind.NEW:
                return Message("archive.change.new", {"n": self.characters})
            case ChangeKind.EDITED:
                return self._edit()
            case ChangeKind.REMOVED if self.last_seen_at:
                return Message("archive.change.removed", {"outcome": outcome, "at": self.last_seen_at})
            case ChangeKind.REMOVED:
                return Message("archive.change.removed_unseen", {"outcome": outcome})
            case ChangeKind.RESTORED:
                return Message("archive.change.restored", {"since": self.missing_since})

    def _edit(self) -> Message:
        params = {"version": self.version, "n": self.characters, "before": self.previous_characters}
        if self.previous_title == self.title:
            return Message("archive.change.edited", params)
        return Message(
            "archive.change.edited_title", {**params, "title": _one_line(self.previous_title or "")}
        )


def _one_line(title: str) -> str:
    return " ".join(title.split()) if has_visible_character(title) else ""


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Some changes, newest first, and the cursor of the next page; None on the last page."""

    changes: Sequence[PostChange]
    next: str | None


def change_page(session: Session, chosen: ChangeFilter, after: str | None, limit: int) -> ChangePage:
    """Return at most `limit` changes after a cursor. Raises CursorError."""
    positions = _positions(session, chosen, _position_of(after) if after else None)
    rows = session.execute(positions.limit(limit + 1)).all()
    following = _cursor(rows[limit - 1]) if len(rows) > limit else None
    return ChangePage(_load(session, rows[:limit]), following)


def stream_changes(session: Session, chosen: ChangeFilter) -> Generator[PostChange]:
    """Stream the changes, CHANGE_BATCH at a time in memory; who stops before the end closes the generator."""
    positions = _positions(session, chosen)
    with session.execute(positions, execution_options={"yield_per": CHANGE_BATCH}) as rows:
        for batch in rows.partitions():
            yield from _load(session, batch)


def changes_of_posts(session: Session, post_ids: Sequence[int]) -> list[PostChange]:
    """Return every change of these posts, newest first."""
    rows = _positions(session, ChangeFilter()).where(CHANGES.c.post_id.in_(post_ids))
    return _load(session, session.execute(rows).all())


MAX_COUNTED = 3000  # changes of a kind, the newest, that are counted by month; all three take 5 ms

COUNTED_KINDS = (ChangeKind.EDITED, ChangeKind.REMOVED, ChangeKind.RESTORED)


@dataclass(frozen=True, slots=True)
class MonthlyChanges:
    """The changes of a month in Asia/Shanghai, `month` being its first day, by COUNTED_KINDS."""

    month: date
    counts: tuple[int, ...]


def changes_by_month(session: Session, chosen: ChangeFilter) -> list[MonthlyChanges]:
    """Count the edits, removals and returns of a filter by month, first to last, months without any too.

    The newest MAX_COUNTED of each kind are counted; months that are not counted whole are left out.
    """
    found: dict[ChangeKind, dict[date, int]] = {}
    whole_from = date.min
    for kind in COUNTED_KINDS:
        if chosen.kinds and kind not in chosen.kinds:
            continue
        found[kind] = _count_by_month(session, replace(chosen, kinds=frozenset({kind})))
        if sum(found[kind].values()) == MAX_COUNTED:
            whole_from = max(whole_from, min(found[kind]) + timedelta(days=31))
    months = {month for counts in found.values() for month in counts if month >= whole_from.replace(day=1)}
    every = by_month(dict.fromkeys(months, 1))
    return [
        MonthlyChanges(one.month, tuple(found.get(kind, {}).get(one.month, 0) for kind in COUNTED_KINDS))
        for one in every
    ]


def _count_by_month(session: Session, chosen: ChangeFilter) -> dict[date, int]:
    newest = _positions(session, chosen).limit(MAX_COUNTED).subquery()
    month = func.date_trunc("month", func.timezone("Asia/Shanghai", newest.c.at))
    rows = session.execute(select(month, func.count()).group_by(month))
    return {at.date(): count for at, count in rows}


@dataclass(frozen=True, slots=True)
class _Position:
    """The position of a change in the list: its instant (UTC), rank of its kind, id of version or absence."""

    at: datetime
    rank: int
    id: int


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_CURSOR = TypeAdapter(
    tuple[
        Annotated[int, Field(strict=True, ge=0, lt=_LAST)],
        Annotated[int, Field(strict=True, ge=0, lt=len(_RANKS))],
        Annotated[int, Field(strict=True, ge=0, lt=2**63)],
    ]
)


def _cursor(row: Row[*tuple[Any, ...]]) -> str:
    return pagination.encode_cursor([(row.at - _EPOCH) // _MICROSECOND, row.rank, row.id])


def _position_of(cursor: str) -> _Position:
    try:
        microseconds, rank, number = _CURSOR.validate_python(pagination.decode_cursor(cursor))
    except (ValueError, RecursionError):  # pydantic's error is one of the first
        raise CursorError("archive.cursor.unknown") from None
    return _Position(_EPOCH + microseconds * _MICROSECOND, rank, number)


def _positions(
    session: Session, chosen: ChangeFilter, after: _Position | None = None
) -> Select[*tuple[Any, ...]]:
    """Select instant, rank, id, post and id of the version before, of the changes after a position.

    The database keeps the list of changes (archive.repository.derived).
    """
    columns = CHANGES.c
    rows = select(columns.at, columns.rank, columns.id, columns.post_id, columns.previous_id)
    rows = rows.where((columns.rank != _RANKS[ChangeKind.EDITED]) | _has_other_text())
    if chosen.kinds and len(chosen.kinds) < len(ChangeKind):
        rows = rows.where(columns.rank.in_(sorted(_RANKS[kind] for kind in chosen.kinds)))
    if chosen.account is not None:
        rows = rows.where(_of_account(session, chosen.account))
    if chosen.since is not None:
        rows = rows.where(columns.at >= datetime.combine(chosen.since, time.min, SHANGHAI))
    if chosen.until is not None:
        rows = rows.where(columns.at <= datetime.combine(chosen.until, time.max, SHANGHAI))
    if after is not None:
        position = tuple_(columns.at, columns.rank, columns.id)
        rows = rows.where(position < tuple_(after.at, after.rank, after.id))
    return rows.order_by(columns.at.desc(), columns.rank.desc(), columns.id.desc())


def _has_other_text() -> ColumnElement[bool]:
    """Select edits that changed title or text: a page may be imported after a later one with its text.

    By scalar subqueries, for one row at a time: joined, the whole table of versions may be read.
    """
    hashes = [
        select(Version.content_hash).where(Version.id == id_).correlate(CHANGES).scalar_subquery()
        for id_ in (CHANGES.c.id, CHANGES.c.previous_id)
    ]
    return hashes[0].is_distinct_from(hashes[1])


def _of_account(session: Session, account: str) -> ColumnElement[bool]:
    """Select changes of an account's posts, by its biz, its name now, or its name when they were published.

    Posts of other accounts that had this name once are chosen one by one.
    """
    name = storable(account)
    ids = session.scalars(select(Account.id).where((Account.biz == name) | (Account.name == name))).all()
    had_name = select(Post.id).where(Post.account_name == name, Post.account_id.not_in(ids))
    is_own = CHANGES.c.account_id.in_(ids)
    if session.scalar(had_name.limit(1)) is None:
        return is_own
    return is_own | CHANGES.c.post_id.in_(had_name)


def _load(session: Session, rows: Sequence[Row[*tuple[Any, ...]]]) -> list[PostChange]:
    """Load the changes at these positions, in order, by one statement for each table."""
    posts = _posts(session, {row.post_id for row in rows})
    of_versions = [row for row in rows if row.rank < _RANKS[ChangeKind.REMOVED]]
    versions = _version_facts(session, {id_ for row in of_versions for id_ in (row.id, row.previous_id)})
    absences = _absences(session, {row.id for row in rows if row.rank >= _RANKS[ChangeKind.REMOVED]})
    kinds = list(ChangeKind)
    return [_change(kinds[row.rank], row, posts[row.post_id], versions, absences) for row in rows]


def _posts(session: Session, ids: set[int]) -> dict[int, dict[str, Any]]:
    account = Post.account_name.label("account")
    rows = select(Post.id, Account.biz, Post.aid, account, Post.title, Post.url, Post.published_on)
    rows = rows.join(Account, Account.id == Post.account_id).where(Post.id.in_(ids))
    return {row.pop("id"): row for row in map(dict, session.execute(rows).mappings())}


def _version_facts(session: Session, ids: set[int | None]) -> dict[int, Row[*tuple[Any, ...]]]:
    length = func.char_length(Version.text).label("characters")
    rows = select(Version.id, Version.number, Version.title, length, Version.source, Version.capture_id)
    return {row.id: row for row in session.execute(rows.where(Version.id.in_(ids)))}


def _absences(session: Session, ids: set[int]) -> dict[int, Absence]:
    return {one.id: one for one in session.scalars(select(Absence).where(Absence.id.in_(ids)))}


def _change(
    kind: ChangeKind,
    row: Row[*tuple[Any, ...]],
    post: dict[str, Any],
    versions: dict[int, Row[*tuple[Any, ...]]],
    absences: dict[int, Absence],
) -> PostChange:
    if kind in (ChangeKind.REMOVED, ChangeKind.RESTORED):
        absence = absences[row.id]
        is_return = kind is ChangeKind.RESTORED
        return PostChange(
            kind,
            row.at,
            **post,
            outcome=absence.outcome,
            reason=absence.reason,
            last_seen_at=absence.last_seen_at,
            missing_since=absence.first_missing_at,
            capture_id=absence.returned_capture_id if is_return else absence.capture_id,
        )
    version, before = versions[row.id], versions.get(row.previous_id or 0)
    return PostChange(
        kind,
        row.at,
        **{**post, "title": version.title},
        version=version.number,
        previous_version=before.number if before else None,
        previous_title=before.title if before else None,
        characters=version.characters,
        previous_characters=before.characters if before else None,
        source=version.source,
        capture_id=version.capture_id,
    )
