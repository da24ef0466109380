"""Select the versions of posts, each dated by its evidence: the time at which its page was served."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB, distinct_on
from sqlalchemy.orm import Session

from archive.db.models import Capture, Post, Version
from archive.db.models.base import ANY_OF_IDS
from archive.domain.errors import NotArchived
from archive.domain.records import SHANGHAI


class DatedBy(StrEnum):
    """What dates a version."""

    CAPTURE = "capture"  # the time at which its page was served
    FILE = "file"  # the time of a saved file, which copying may have changed
    RECORDED = "recorded"  # nothing but the time at which it was recorded


@dataclass(frozen=True, slots=True)
class DatedVersion:
    """A version of a post, in the order in which they were published as far as the evidence tells.

    `place` is its place in that order from 1, `number` that in the order of recording, which the hash chain
    holds: it never changes. `at` dates it by its evidence, `recorded_at` is when it was recorded (UTC).
    """

    number: int
    place: int
    title: str
    text: str
    content_hash: str
    source: str
    capture_id: int | None
    parser_version: int | None
    at: datetime
    dated_by: DatedBy
    recorded_at: datetime

    def as_dict(self) -> dict[str, Any]:
        """Return the version without its text as JSON values; instants are UTC."""
        return {
            "number": self.number,
            "source": self.source,
            "at": self.at.isoformat(),
            "dated_by": self.dated_by,
            "recorded_at": self.recorded_at.isoformat(),
            "fetched_at": None if self.dated_by is DatedBy.RECORDED else self.at.isoformat(),
            "capture_id": self.capture_id,
            "parser_version": self.parser_version,
            "hash": self.content_hash,
            "title": self.title,
            "characters": len(self.text),
        }


# A version is dated by its page; a dump has no time of its own.
VERSION_AT = func.coalesce(Capture.fetched_at, Version.recorded_at)


def versions_of(session: Session, post: Post) -> list[DatedVersion]:
    """Return the versions of a post's text in the order of their evidence, each different from the last."""
    found: list[DatedVersion] = []
    for version in _dated_versions(session, post):
        if not found or found[-1].content_hash != version.content_hash:
            found.append(replace(version, place=len(found) + 1))
    return found


def version_of(session: Session, post: Post, number: int) -> DatedVersion:
    """Return a version of a post by its number. Raises NotArchived when there is none."""
    versions = list(_dated_versions(session, post))
    for version in versions:
        if version.number == number:
            return version
    raise NotArchived("archive.version.missing", aid=post.aid, number=number, n=len(versions))


def _dated_versions(session: Session, post: Post) -> Iterator[DatedVersion]:
    return (version for _, version in dated_versions(session, [post.id]))


def dated_versions(session: Session, post_ids: Sequence[int]) -> Iterator[tuple[int, DatedVersion]]:
    """Yield every recorded version of these posts with the post's id, by post, in the order of evidence."""
    found = session.execute(_dated_rows(), {"ids": list(post_ids)})
    places: Counter[int] = Counter()
    for version, at, has_page, is_file in found:
        page = DatedBy.FILE if is_file else DatedBy.CAPTURE
        places[version.post_id] += 1
        dated = DatedVersion(
            number=version.number,
            place=places[version.post_id],
            title=version.title,
            text=version.text,
            content_hash=version.content_hash,
            source=version.source,
            capture_id=version.capture_id,
            parser_version=version.parser_version,
            at=at,
            dated_by=page if has_page else DatedBy.RECORDED,
            recorded_at=version.recorded_at,
        )
        yield version.post_id, dated


@cache
def _dated_rows() -> Select[Version, datetime, bool, bool]:
    rows = select(Version, VERSION_AT, Capture.id.is_not(None), Capture.headers == cast([], JSONB))
    rows = rows.select_from(Version).outerjoin(Capture, Capture.id == Version.capture_id)
    rows = rows.where(Version.post_id == ANY_OF_IDS)
    return rows.order_by(Version.post_id, VERSION_AT, Version.number)


def end_of_day(day: date) -> datetime:
    """Return the last instant of a day in Asia/Shanghai."""
    return datetime.combine(day, time.max, SHANGHAI)


@dataclass(frozen=True, slots=True)
class EarlierText:
    """Title and text of a post as they stood at some instant; `is_current` where they still do."""

    number: int
    title: str
    text: str
    capture_id: int | None
    is_current: bool


def is_dated_by(at: datetime) -> ColumnElement[bool]:
    """Select the versions, joined to their captures, that are dated by an instant."""
    return at >= VERSION_AT


def known_by(at: datetime) -> ColumnElement[bool]:
    """Select posts with a version dated by an instant, and those without any that were archived by then."""
    versions = select(Version.id).outerjoin(Capture, Capture.id == Version.capture_id)
    has_version = versions.where(Version.post_id == Post.id, is_dated_by(at)).correlate(Post).exists()
    return has_version | (Post.current_version_id.is_(None) & (Post.first_archived_at <= at))


def texts_at(session: Session, post_ids: Sequence[int], at: datetime) -> dict[int, EarlierText]:
    """Return the latest version of each post that is dated by an instant, by post id; others are left out.

    The current version counts as the latest one: a dump that was imported after its page only adds to the
    history.
    """
    is_current = Version.id == Post.current_version_id
    columns = (Version.number, Version.title, Version.text, Version.capture_id, is_current)
    rows = select(Version.post_id, *columns).join(Post, Post.id == Version.post_id)
    rows = rows.outerjoin(Capture, Capture.id == Version.capture_id)
    rows = rows.where(Version.post_id.in_(post_ids), is_dated_by(at)).ext(distinct_on(Version.post_id))
    order = (func.coalesce(is_current, False).desc(), VERSION_AT.desc(), Version.number.desc())
    found = session.execute(rows.order_by(Version.post_id, *order))
    return {row[0]: EarlierText(*row[1:]) for row in found}


def version_numbers(session: Session, post: Post) -> list[int]:
    """Return the numbers of a post's versions in the order of their evidence."""
    rows = select(Version.number).outerjoin(Capture, Capture.id == Version.capture_id)
    return list(session.scalars(rows.where(Version.post_id == post.id).order_by(VERSION_AT, Version.number)))


def last_changes(session: Session, post_ids: Sequence[int]) -> dict[int, datetime]:
    """Return when the newest version of each post was published by its evidence (UTC), by post id."""
    rows = select(Version.post_id, func.max(VERSION_AT)).where(Version.post_id.in_(post_ids))
    rows = rows.select_from(Version).outerjoin(Capture, Capture.id == Version.capture_id)
    return {post_id: at for post_id, at in session.execute(rows.group_by(Version.post_id))}


def last_recorded(session: Session, post_ids: Sequence[int]) -> datetime | None:
    """Return when a version of these posts was recorded last (UTC); None where they have none."""
    return session.scalar(select(func.max(Version.recorded_at)).where(Version.post_id.in_(post_ids)))
