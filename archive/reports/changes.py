"""List what changed in the archive: posts that were new, edited, removed or available again, newest first.

Edits follow from the versions of a post, removals and returns from its absences. A version that only a later
parser found in an earlier page is no edit: its publisher changed nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from sqlalchemy import ColumnElement, Row, Select, and_, func, literal, or_, select, tuple_, union_all
from sqlalchemy.orm import Session

from archive.db.models import Absence, Account, CaptureRow, Post, Version
from archive.domain import pagination
from archive.domain.messages import Message
from archive.domain.outcomes import ChangeKind
from archive.domain.records import SHANGHAI
from archive.domain.text import has_visible_character, storable
from archive.domain.update_decisions import REPARSE
from archive.repository.accounts import belongs_to
from archive.repository.post_queries import CursorError
from archive.repository.versions import VERSION_AT

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
    positions = _positions(chosen, _position_of(after) if after else None, limit + 1)
    rows = session.execute(positions.limit(limit + 1)).all()
    following = _cursor(rows[limit - 1]) if len(rows) > limit else None
    return ChangePage(_load(session, rows[:limit]), following)


def stream_changes(session: Session, chosen: ChangeFilter) -> Iterator[PostChange]:
    """Stream the changes, CHANGE_BATCH at a time in memory."""
    rows = session.execute(_positions(chosen), execution_options={"yield_per": CHANGE_BATCH})
    for batch in rows.partitions():
        yield from _load(session, batch)


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
    chosen: ChangeFilter, after: _Position | None = None, limit: int | None = None
) -> Select[*tuple[Any, ...]]:
    """Select instant, rank, id, post and id of the version before, of the changes after a position.

    `limit` bounds each kind by itself, so that none is sorted beyond it.
    """
    kinds = [kind for kind in ChangeKind if kind in (chosen.kinds or ChangeKind)]
    parts = [part for kind in kinds for part in _PARTS[kind](chosen)]
    limited = [_part(part, chosen, after, limit) for part in parts]
    rows = union_all(*(select(part.subquery()) for part in limited)).subquery()
    return select(rows).order_by(rows.c.at.desc(), rows.c.rank.desc(), rows.c.id.desc())


def _part(
    part: Select[*tuple[Any, ...]], chosen: ChangeFilter, after: _Position | None, limit: int | None
) -> Select[*tuple[Any, ...]]:
    """Restrict the rows of one kind to the days and to those after a position."""
    columns = part.subquery()
    rows = select(columns)
    if chosen.since is not None:
        rows = rows.where(columns.c.at >= datetime.combine(chosen.since, time.min, SHANGHAI))
    if chosen.until is not None:
        rows = rows.where(columns.c.at <= datetime.combine(chosen.until, time.max, SHANGHAI))
    if after is not None:
        earlier = columns.c.at < after.at
        same = and_(columns.c.at == after.at, tuple_(columns.c.rank, columns.c.id) < (after.rank, after.id))
        rows = rows.where(or_(earlier, same))
    if limit is not None:
        rows = rows.order_by(columns.c.at.desc(), columns.c.id.desc()).limit(limit)
    return rows


def _versions() -> Select[*tuple[Any, ...]]:
    """Select the versions with the instants by which they are dated."""
    rows = select(Version.id, Version.post_id, Version.number, Version.source, VERSION_AT.label("at"))
    return rows.outerjoin(CaptureRow, CaptureRow.id == Version.capture_id)


_EVER_AGAIN = select(Version.post_id).where(Version.number > 1)  # posts with several versions


def _ordered_versions() -> Any:
    """Select the versions of posts that have several, each with the one before it in time."""
    dated = _versions().where(Version.post_id.in_(_EVER_AGAIN)).subquery()
    before = func.lag(dated.c.id).over(partition_by=dated.c.post_id, order_by=(dated.c.at, dated.c.number))
    return select(dated, before.label("previous_id")).subquery()


def _columns(kind: ChangeKind, at: Any, number: Any, post_id: Any, previous_id: Any) -> Select[Any]:
    """Select what all kinds have in common, in the same order."""
    rank = literal(_RANKS[kind]).label("rank")
    return select(at.label("at"), rank, number.label("id"), post_id.label("post_id"), previous_id)


_NO_VERSION: ColumnElement[int | None] = literal(None, Version.id.type).label("previous_id")


def _new(chosen: ChangeFilter) -> Iterator[Select[Any]]:
    once = _versions().where(Version.number == 1, Version.post_id.not_in(_EVER_AGAIN)).subquery()
    first = _ordered_versions()
    for rows, conditions in ((once, []), (first, [first.c.previous_id.is_(None)])):
        part = _columns(ChangeKind.NEW, rows.c.at, rows.c.id, rows.c.post_id, _NO_VERSION)
        yield part.where(*conditions, *_of_account(rows.c.post_id, chosen))


def _edited(chosen: ChangeFilter) -> Iterator[Select[Any]]:
    rows = _ordered_versions()
    part = _columns(ChangeKind.EDITED, rows.c.at, rows.c.id, rows.c.post_id, rows.c.previous_id)
    is_edit = rows.c.previous_id.is_not(None), rows.c.source != REPARSE
    yield part.where(*is_edit, *_of_account(rows.c.post_id, chosen))


def _removed(chosen: ChangeFilter) -> Iterator[Select[Any]]:
    kind, at = ChangeKind.REMOVED, Absence.first_missing_at
    part = _columns(kind, at, Absence.id, Absence.post_id, _NO_VERSION)
    yield part.where(*_of_account(Absence.post_id, chosen))


def _restored(chosen: ChangeFilter) -> Iterator[Select[Any]]:
    kind, at = ChangeKind.RESTORED, Absence.returned_at
    part = _columns(kind, at, Absence.id, Absence.post_id, _NO_VERSION)
    yield part.where(Absence.returned_at.is_not(None), *_of_account(Absence.post_id, chosen))


_PARTS = {
    ChangeKind.NEW: _new,
    ChangeKind.EDITED: _edited,
    ChangeKind.REMOVED: _removed,
    ChangeKind.RESTORED: _restored,
}


def _of_account(post_id: Any, chosen: ChangeFilter) -> list[ColumnElement[bool]]:
    if chosen.account is None:
        return []
    posts = select(Post.id).join(Account, Account.id == Post.account_id)
    return [post_id.in_(posts.where(belongs_to(storable(chosen.account))))]


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
