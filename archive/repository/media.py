"""Write and read the media of posts: what pages show, what is due for download, which files are stored.

Rows are locked in the order that archive.ingest.pages states. Instants are aware UTC.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CompoundSelect,
    Select,
    Text,
    any_,
    bindparam,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.db.models import SERIALS, Address, File, Medium, Post, PostMedium
from archive.domain.messages import Message
from archive.domain.outcomes import MediumOutcome, MediumType, Role
from archive.domain.parsed_page import CurrentPage, MediaRef
from archive.domain.text import index_key, storable, storable_json
from archive.domain.update_decisions import next_medium_fetch
from archive.repository.evidence import FactKind
from archive.repository.hash_chain import append_facts
from archive.repository.post_queries import IS_ITS_ADDRESS


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the media folder.

    `size` is in bytes, `media_type` by content (image/png), `width` and `height` in pixels of an image;
    `path` is within the media folder.
    """

    sha256: bytes
    size: int
    media_type: str
    width: int | None
    height: int | None
    path: str

    @classmethod
    def of(cls, file: File | None) -> "StoredFile | None":
        """Return the file of a row; None where there is no row."""
        if file is None:
            return None
        return cls(file.sha256, file.size, file.media_type, file.width, file.height, file.path)


@dataclass(frozen=True, slots=True)
class DueMedium:
    """A medium to download now; `expires_at` is when its address stops working (aware UTC).

    `facts` are those of the newest post that shows it.
    """

    id: int
    key: str
    url: str
    type: str
    expires_at: datetime | None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShownMedium:
    """A medium of a post. `file` is None until it was downloaded; the last two say how that went."""

    role: str
    position: int
    key: str
    url: str
    type: str
    facts: dict[str, Any]
    file: StoredFile | None
    last_outcome: str | None
    last_reason: Message


def due_media(
    session: Session, now: datetime, limit: int, *, types: Collection[str], run_id: int | None = None
) -> list[DueMedium]:
    """Return media of these types that are due; with `run_id` only those of posts whose addresses it claimed.

    Style sheets belong to no post: they are due for every run. Those that failed before come last; those
    whose address expires soon come first, then all that is no image, for it may expire too.
    """
    if not types:
        return []
    newest = select(PostMedium.page_metadata).where(PostMedium.medium_id == Medium.id)
    facts = newest.order_by((PostMedium.capture_id % SERIALS).desc()).limit(1).scalar_subquery()
    columns = (Medium.id, Medium.key, Medium.url, Medium.type, Medium.expires_at)
    rows = select(*columns, func.coalesce(facts, text("'{}'::jsonb")))
    chosen = _first_due(now, limit, types, run_id).subquery()
    rows = rows.join(chosen, chosen.c.id == Medium.id).order_by(*_FETCH_ORDER).limit(limit)
    return [DueMedium(*row) for row in session.execute(rows)]


# Types stand in the statements themselves, as indexes have them: this is the order of ix__media__fetch_order,
# and the condition of ix__media__due_styles.
_IS_IMAGE = Medium.type == literal_column(f"'{MediumType.IMAGE}'")
_FETCH_ORDER = (Medium.attempts, Medium.expires_at, _IS_IMAGE, Medium.next_fetch_at, Medium.id)

_IS_STYLE = Medium.type == literal_column(f"'{MediumType.STYLE}'")
_DUE_STYLE_SHEETS = select(Medium.id).where(_IS_STYLE, Medium.next_fetch_at.is_not(None))


def _first_due(
    now: datetime, limit: int, types: Collection[str], run_id: int | None
) -> CompoundSelect[tuple[int]]:
    """Select the ids of the media of each type that come first among those that expire, and the others.

    By type, as the index has them: with several in one condition all those of further types would be read.
    """
    rows = select(Medium.id).where(Medium.next_fetch_at <= now)
    if run_id is not None:
        rows = rows.where(Medium.id.in_(union_all(media_of_run(run_id), _DUE_STYLE_SHEETS)))
    parts = (
        rows.where(Medium.type == literal_column(f"'{type_}'"), lasts).order_by(*_FETCH_ORDER).limit(limit)
        for type_ in map(MediumType, types)
        for lasts in (Medium.expires_at > now, Medium.expires_at.is_(None))
    )
    return union_all(*(select(part.subquery()) for part in parts))


def awaited_media(session: Session, keys: Collection[str], urls: Collection[str]) -> list[DueMedium]:
    """Return media without a file that have one of these keys or URLs, due or not."""
    rows = select(Medium.id, Medium.key, Medium.url, Medium.type, Medium.expires_at)
    rows = rows.where(Medium.file_id.is_(None), or_(Medium.key.in_(keys), Medium.url.in_(urls)))
    return [DueMedium(*row) for row in session.execute(rows.order_by(Medium.id))]


def media_of_run(run_id: int) -> Select[Any]:
    """Select the ids of media of the posts whose addresses a run claimed."""
    return (
        select(PostMedium.medium_id)
        .join(Post, Post.id == PostMedium.post_id)
        .join(Address, IS_ITS_ADDRESS)
        .where(Address.claimed_by_run_id == run_id)
    )


def media_of(session: Session, post: Post) -> list[ShownMedium]:
    """Return the media of a post's current page, by role, in the order shown."""
    if post.capture_id is None:
        return []
    rows = session.execute(_media_rows(), {"post": post.id, "capture": post.capture_id})
    return [_shown(place, medium, file) for place, medium, file in rows]


@cache
def _media_rows() -> Select[PostMedium, Medium, File]:
    rows = select(PostMedium, Medium, File).join(Medium, Medium.id == PostMedium.medium_id)
    rows = rows.outerjoin(File, File.id == Medium.file_id)
    rows = rows.where(PostMedium.post_id == bindparam("post"), PostMedium.capture_id == bindparam("capture"))
    return rows.order_by(PostMedium.role, PostMedium.position, PostMedium.id)


def _shown(place: PostMedium, medium: Medium, file: File | None) -> ShownMedium:
    return ShownMedium(
        role=place.role,
        position=place.position,
        key=medium.key,
        url=medium.url,
        type=medium.type,
        facts=place.page_metadata,
        file=StoredFile.of(file),
        last_outcome=medium.last_outcome,
        last_reason=Message.load(medium.last_reason),
    )


def file_of(session: Session, sha256: bytes) -> StoredFile | None:
    """Return the stored file with this SHA-256; None when there is none."""
    return StoredFile.of(session.scalar(select(File).where(File.sha256 == sha256)))


_BATCH = 500  # rows per statement

ADDRESS_EXPIRED = "archive.media.address_expired"

NO_ADDRESS = "archive.media.no_address"

_BY_KEY = Medium.key.collate("C")

_FRESH = ("url", "expires_at", "attempts", "last_outcome", "last_reason", "next_fetch_at")


def put_post_media(
    session: Session, pages: Sequence[CurrentPage], now: datetime, style_sheets: Collection[str] = ()
) -> None:
    """Store what posts show; media not known are due at once, whatever their type.

    A medium that only an earlier page of a post showed keeps that page's capture. `style_sheets` are
    addresses; they belong to no post.
    """
    shown: dict[tuple[int, str, str], tuple[int, MediaRef]] = {}
    for page in pages:
        shown |= _media_of_page(page)
    ids = _put_media(session, [medium for _, medium in shown.values()], style_sheets, now)
    values = [
        {
            "post_id": post_id,
            "medium_id": ids[key],
            "capture_id": capture_id,
            "role": role,
            "position": medium.position,
            "page_metadata": storable_json(medium.facts),
        }
        for (post_id, role, key), (capture_id, medium) in sorted(shown.items(), key=lambda item: item[0])
    ]
    row = postgresql.insert(PostMedium)
    newest = {name: row.excluded[name] for name in ("capture_id", "position", "page_metadata")}
    row = row.on_conflict_do_update(constraint="uq__post_media__post_id_role_medium_id", set_=newest)
    if values:
        session.execute(row, values)
        append_facts(session, FactKind.POST_MEDIA, [page.post_id for page in pages])


def _media_of_page(page: CurrentPage) -> dict[tuple[int, str, str], tuple[int, MediaRef]]:
    """Return the media of a page by post, role and key: of equal ones the first."""
    media: dict[tuple[int, str, str], tuple[int, MediaRef]] = {}
    for medium in sorted(page.page.media, key=lambda medium: medium.position):
        media.setdefault((page.post_id, medium.role, index_key(medium.key)), (page.capture_id, medium))
    return media


def _put_media(
    session: Session, media: Iterable[MediaRef], style_sheets: Collection[str], now: datetime
) -> dict[str, int]:
    """Store media and return their ids by key. A newer URL makes a medium without a file due again."""
    rows: dict[str, dict[str, Any]] = {}
    for medium in media:
        row = _row(medium.key, medium.url, medium.role, medium.expires_at, now)
        rows[row["key"]] = _fresher(rows.get(row["key"]), row)
    if style_sheets:  # those known are not written: almost every page has the same, and would lock their rows
        known = select(Medium.key).where(Medium.key.in_(style_sheets))
        for url in set(style_sheets).difference(session.scalars(known)):
            rows.setdefault(url, _row(url, url, None, None, now))
    keys = sorted(rows)
    if keys:
        session.execute(_insert_or_refresh(), [rows[key] for key in keys])
    ids: dict[str, int] = {}
    for start in range(0, len(keys), _BATCH):
        wanted = select(Medium.key, Medium.id).where(Medium.key.in_(keys[start : start + _BATCH]))
        ids.update((key, number) for key, number in session.execute(wanted))
    return ids


def _insert_or_refresh() -> postgresql.Insert:
    row = postgresql.insert(Medium)
    known = Medium.expires_at
    return row.on_conflict_do_update(
        constraint="uq__media__key",
        set_={name: row.excluded[name] for name in _FRESH},
        where=Medium.file_id.is_(None)
        & (row.excluded.url != "")
        & (row.excluded.url != Medium.url)
        & (known.is_(None) | row.excluded.expires_at.is_(None) | (row.excluded.expires_at > known)),
    )


def _row(key: str, url: str, role: Role | None, expires_at: datetime | None, now: datetime) -> dict[str, Any]:
    code = NO_ADDRESS if not url else ADDRESS_EXPIRED if _is_over(expires_at, now) else ""
    return {
        "key": index_key(key),
        "url": storable(url),
        "type": role.type if role else MediumType.STYLE,  # a style sheet has no role in a post
        "attempts": 0,
        "last_outcome": None,
        "last_reason": code,
        "next_fetch_at": None if code else now,
        "expires_at": expires_at,
    }


def _fresher(known: dict[str, Any] | None, row: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a medium whose URL lasts longer, of the two."""
    if known is None or not known["url"]:
        return row
    if not row["url"] or (
        known["expires_at"] and row["expires_at"] and row["expires_at"] < known["expires_at"]
    ):
        return known
    return row


def _is_over(expires_at: datetime | None, now: datetime) -> bool:
    return expires_at is not None and expires_at <= now


# Whoever removes files excludes all writers: none takes a file for stored that is about to be removed.
_LOCK_AS_WRITER = text("LOCK TABLE media, files IN ROW EXCLUSIVE MODE")

_LOCK_AS_REMOVER = text("LOCK TABLE media, files IN SHARE ROW EXCLUSIVE MODE")


def lock_files_for_writing(session: Session) -> None:
    """Let no file be removed from the media folder until the transaction ends; call it before `put`."""
    session.execute(_LOCK_AS_WRITER)


def unused_files(session: Session, paths: Collection[str]) -> list[str]:
    """Return those of these files that no row is about; none gets a row until the transaction ends."""
    session.execute(_LOCK_AS_REMOVER)
    used = set(session.scalars(select(File.path).where(File.path == any_(literal(list(paths), ARRAY(Text))))))
    return [path for path in paths if path not in used]


def store_file(session: Session, medium_id: int, stored: StoredFile, now: datetime, url: str = "") -> None:
    """Record that a medium's file is in the media folder; call it after MediaFolder.put.

    `now` is when it came, and `url` where it came from, if that may differ from the URL known.

    Call it once per transaction: two that store the same files in opposite order would wait for each other.
    """
    medium = session.get_one(Medium, medium_id, with_for_update=True)
    row = postgresql.insert(File).values(
        sha256=stored.sha256,
        size=stored.size,
        media_type=stored.media_type,
        width=stored.width,
        height=stored.height,
        path=stored.path,
        first_stored_at=now,
    )
    # the path that was just written is certain to exist
    row = row.on_conflict_do_update(constraint="uq__files__sha256", set_={"path": row.excluded.path})
    medium.file_id = session.execute(row.returning(File.id)).scalar_one()
    medium.attempts, medium.next_fetch_at = 0, None
    medium.url = storable(url) or medium.url
    _record(medium, MediumOutcome.KEPT, "", now)
    session.flush()
    append_facts(session, FactKind.FILE, [medium_id])


def is_cover(session: Session, medium_id: int) -> bool:
    """Tell whether a post has the medium as its cover."""
    rows = select(PostMedium.id).where(PostMedium.medium_id == medium_id, PostMedium.role == Role.COVER)
    return session.scalar(rows.limit(1)) is not None


def record_media_failure(
    session: Session, medium_id: int, outcome: MediumOutcome, reason: str, now: datetime
) -> None:
    """Record that a download was refused or failed, and why; it is tried again later, within bounds.

    Call it once per transaction: put_post_media locks several media by their keys.
    """
    medium = session.get_one(Medium, medium_id, with_for_update=True)
    if medium.file_id is not None:  # another process has downloaded it
        return
    medium.attempts += 1
    again = next_medium_fetch(outcome, medium.attempts, now)
    medium.next_fetch_at = None if again and _is_over(medium.expires_at, again) else again
    _record(medium, outcome, reason, now)
    session.flush()


def _record(medium: Medium, outcome: MediumOutcome, reason: str, now: datetime) -> None:
    medium.last_outcome, medium.last_reason, medium.last_tried_at = outcome, storable(reason), now


def make_media_due(session: Session, run_id: int, now: datetime) -> int:
    """Make media without a file due, also given-up ones, of posts whose address a run claimed; count them."""
    wanted = Medium.id.in_(media_of_run(run_id)) & (Medium.url != "")
    alive = Medium.expires_at.is_(None) | (Medium.expires_at > now)
    return _update_locked(session, wanted & alive, {"next_fetch_at": now, "attempts": 0})


def give_up_expired(session: Session, now: datetime) -> int:
    """Stop downloads of media whose URLs have expired, until a page gives new ones; count them."""
    over = Medium.next_fetch_at.is_not(None) & (Medium.expires_at <= now)
    return _update_locked(session, over, {"next_fetch_at": None, "last_reason": ADDRESS_EXPIRED})


def _update_locked(session: Session, which: ColumnElement[bool], values: dict[str, Any]) -> int:
    rows = select(Medium.id).where(which, Medium.file_id.is_(None)).order_by(_BY_KEY)
    locked = session.scalars(rows.with_for_update()).all()
    for start in range(0, len(locked), _BATCH):
        chosen = Medium.id.in_(locked[start : start + _BATCH])
        session.execute(update(Medium).where(chosen).values(values))
    return len(locked)
