"""Report the history of a post: its versions and how much each changed, its captures, its absences."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from archive.db.models import Absence, Capture, Medium, Post, PostMedium
from archive.domain.outcomes import Role
from archive.domain.text_diff import Extent, Piece, difference, extent
from archive.repository import absences
from archive.repository import captures as captures_repository
from archive.repository.versions import DatedVersion, versions_of

# WeChat shows one picture at addresses that differ in size and format: .../mmbiz_png/NAME/640?wx_fmt=png
_PICTURE_NAME = re.compile(r"/(?:sz_)?mmbiz(?:_\w+)?/([^/?]+)")


@dataclass(frozen=True, slots=True)
class Change:
    """A version, and how much it changed of the one before, in characters of title and text."""

    version: DatedVersion
    extent: Extent


@dataclass(frozen=True, slots=True)
class GonePictures:
    """Pictures that no later page shows: the capture that showed them last, and their number."""

    capture_id: int
    fetched_at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class History:
    """The history of a post; each list is first to last, captures are without bodies."""

    changes: list[Change]
    absences: list[Absence]
    captures: list[dict[str, Any]]
    pictures: list[GonePictures]


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the timeline, at a UTC instant."""

    at: datetime
    what: Change | Absence | GonePictures | dict[str, Any]
    is_return: bool = False  # of an absence: its end


def history_of(session: Session, post: Post) -> History:
    """Return everything that is stored of a post's history."""
    captures = sorted(
        captures_repository.list_captures(session, post), key=lambda one: (one["fetched_at"], one["id"])
    )
    return History(
        changes=list(_changes(versions_of(session, post))),
        absences=absences.absences_of(session, post),
        captures=captures,
        pictures=_gone_pictures(session, post) if captures else [],
    )


def timeline(history: History) -> list[Event]:
    """Return the events in order; a capture comes before what was parsed from it."""
    events = [Event(one["fetched_at"], one) for one in history.captures]
    events += [Event(one.fetched_at, one) for one in history.pictures]
    for absence in history.absences:
        events.append(Event(absence.first_missing_at, absence))
        if absence.returned_at:
            events.append(Event(absence.returned_at, absence, is_return=True))
    events += [Event(one.version.at, one) for one in history.changes]
    return sorted(events, key=lambda event: event.at)


def changes_between(before: DatedVersion, after: DatedVersion) -> list[Piece]:
    """Return the difference of two versions: their titles, then their texts, as paragraphs."""
    whole = [f"{version.title}\r{version.text}" for version in (before, after)]
    return difference(*whole)


def _changes(versions: Sequence[DatedVersion]) -> Iterator[Change]:
    for before, version in zip((None, *versions), versions, strict=False):
        changed = extent(changes_between(before, version)) if before else Extent(len(version.text), 0)
        yield Change(version, changed)


def _gone_pictures(session: Session, post: Post) -> list[GonePictures]:
    """Count the pictures of the body that only earlier pages showed, by the page that showed them last."""
    shown = session.execute(_picture_rows(), {"post": post.id}).all()
    current = {_picture_name(key) for capture_id, _, key in shown if capture_id == post.capture_id}
    return _count_by_page(
        (capture_id, at) for capture_id, at, key in shown if _picture_name(key) not in current
    )


@cache
def _picture_rows() -> Select[int, datetime, str]:
    rows = select(PostMedium.capture_id, Capture.fetched_at, Medium.key)
    rows = rows.join(Medium, Medium.id == PostMedium.medium_id)
    rows = rows.join(Capture, Capture.id == PostMedium.capture_id)
    return rows.where(PostMedium.post_id == bindparam("post"), PostMedium.role == Role.IMAGE)


def _count_by_page(gone: Iterable[tuple[int, datetime]]) -> list[GonePictures]:
    by_page = sorted(Counter(gone).items(), key=lambda item: (item[0][1], item[0][0]))
    return [GonePictures(capture_id, at, count) for (capture_id, at), count in by_page]


def _picture_name(key: str) -> str:
    match = _PICTURE_NAME.search(key)
    return match[1] if match else key
