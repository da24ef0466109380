"""Every read of media."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select, text
from sqlalchemy.orm import Session

from archive.media.kept import KeptFile
from archive.models import AddressRow, FileRow, MediumRow, Post, PostMedium, SightingRow
from archive.of_post import IS_ITS_ADDRESS
from archive.vocabulary import MediumType, Role


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
    """A medium of a post. `file` is None until it was downloaded; the last two say what came of asking."""

    role: str
    position: int
    key: str
    url: str
    type: str
    facts: dict[str, Any]
    file: KeptFile | None
    last_outcome: str | None
    last_reason: str


def due_media(
    session: Session, now: datetime, limit: int, *, types: Collection[str], run_id: int | None = None
) -> list[DueMedium]:
    """Media of these types whose time has come; `run_id`: only those of posts seen in that run.

    Those that failed before come last; those whose address expires soon come first, then all that is no
    image, for it may expire too.
    """
    newest = select(PostMedium.facts).where(PostMedium.medium_id == MediumRow.id)
    facts = newest.order_by(PostMedium.capture_id.desc()).limit(1).scalar_subquery()
    rows = select(
        MediumRow.id,
        MediumRow.key,
        MediumRow.url,
        MediumRow.type,
        MediumRow.expires_at,
        func.coalesce(facts, text("'{}'::jsonb")),
    ).where(
        MediumRow.next_fetch_at <= now,
        MediumRow.type.in_(types),
        MediumRow.expires_at.is_(None) | (MediumRow.expires_at > now),
    )
    if run_id is not None:
        rows = rows.where(MediumRow.id.in_(media_of_run(run_id)))
    first = MediumRow.expires_at.nulls_last(), MediumRow.type == MediumType.IMAGE
    rows = rows.order_by(MediumRow.attempts, *first, MediumRow.next_fetch_at, MediumRow.id)
    return [DueMedium(*row) for row in session.execute(rows.limit(limit))]


def awaited_media(session: Session, keys: Collection[str], urls: Collection[str]) -> list[DueMedium]:
    """Media without a file that have one of these keys or addresses, due or not."""
    rows = select(MediumRow.id, MediumRow.key, MediumRow.url, MediumRow.type, MediumRow.expires_at)
    rows = rows.where(MediumRow.file_id.is_(None), or_(MediumRow.key.in_(keys), MediumRow.url.in_(urls)))
    return [DueMedium(*row) for row in session.execute(rows.order_by(MediumRow.id))]


def media_of_run(run_id: int) -> Select[Any]:
    """The ids of media of the posts whose addresses were seen in a run."""
    return (
        select(PostMedium.medium_id)
        .join(Post, Post.id == PostMedium.post_id)
        .join(AddressRow, IS_ITS_ADDRESS)
        .join(SightingRow, SightingRow.address_id == AddressRow.id)
        .where(SightingRow.run_id == run_id)
    )


def media_numbers(session: Session, now: datetime) -> dict[str, dict[str, int]]:
    """By type: media known, kept, due, waiting and given up, and the bytes of their files."""
    wanted = MediumRow.expires_at.is_(None) | (MediumRow.expires_at > now)
    due, waiting = wanted & (MediumRow.next_fetch_at <= now), wanted & (MediumRow.next_fetch_at > now)
    rows = select(
        MediumRow.type,
        func.count().label("known"),
        func.count(MediumRow.file_id).label("kept"),
        func.count().filter(due).label("due"),
        func.count().filter(waiting).label("waiting"),
    ).group_by(MediumRow.type)
    sizes = _sizes(session)
    return {
        row.type: {
            **{name: row._mapping[name] for name in ("known", "kept", "due", "waiting")},
            "given_up": row.known - row.kept - row.due - row.waiting,
            "bytes": sizes.get(row.type, 0),
        }
        for row in session.execute(rows.order_by(MediumRow.type))
    }


def _sizes(session: Session) -> dict[str, int]:
    """Bytes of files by the type of the media they are of, each file once."""
    files = select(MediumRow.type, MediumRow.file_id).distinct().subquery()
    rows = select(files.c.type, func.sum(FileRow.size)).join(FileRow, FileRow.id == files.c.file_id)
    return {type_: int(size) for type_, size in session.execute(rows.group_by(files.c.type))}


def media_of(session: Session, post: Post) -> list[ShownMedium]:
    """What the current page of a post shows, by role, in the order shown."""
    rows = (
        select(PostMedium, MediumRow, FileRow)
        .join(MediumRow, MediumRow.id == PostMedium.medium_id)
        .outerjoin(FileRow, FileRow.id == MediumRow.file_id)
        .where(PostMedium.post_id == post.id, PostMedium.capture_id == post.capture_id)
        .order_by(PostMedium.role, PostMedium.position, PostMedium.id)
    )
    return [_shown(place, medium, file) for place, medium, file in session.execute(rows)]


def _shown(place: PostMedium, medium: MediumRow, file: FileRow | None) -> ShownMedium:
    return ShownMedium(
        role=place.role,
        position=place.position,
        key=medium.key,
        url=medium.url,
        type=medium.type,
        facts=place.facts,
        file=_kept(file),
        last_outcome=medium.last_outcome,
        last_reason=medium.last_reason,
    )


def _kept(file: FileRow | None) -> KeptFile | None:
    if file is None:
        return None
    return KeptFile(file.sha256, file.size, file.media_type, file.width, file.height, file.path)


def file_of(session: Session, sha256: bytes) -> KeptFile | None:
    """The file of this content."""
    return _kept(session.scalar(select(FileRow).where(FileRow.sha256 == sha256)))


def covers(session: Session, post_ids: Collection[int]) -> dict[int, KeptFile]:
    """The files of posts' covers, by post: of those that have one, by their current pages."""
    rows = (
        select(PostMedium.post_id, FileRow)
        .join(Post, (Post.id == PostMedium.post_id) & (Post.capture_id == PostMedium.capture_id))
        .join(MediumRow, MediumRow.id == PostMedium.medium_id)
        .join(FileRow, FileRow.id == MediumRow.file_id)
        .where(PostMedium.post_id.in_(post_ids), PostMedium.role == Role.COVER)
        .order_by(PostMedium.post_id, PostMedium.position.desc(), PostMedium.id.desc())
    )
    return {post_id: kept for post_id, file in session.execute(rows) if (kept := _kept(file))}
