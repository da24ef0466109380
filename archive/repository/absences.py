"""Absences: when posts were away, found in what their addresses answered.

They follow from the captures alone and are found anew whenever one is read: in whatever order pages come in
(a WARC may bring one of years ago), what is noted is the order in which they were fetched.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, exists, insert, select, union, update
from sqlalchemy.orm import Session

from archive.db.models import Absence, AddressRow, CaptureRow, Post
from archive.domain.outcomes import AWAY, Outcome
from archive.repository.post_queries import IS_ITS_ADDRESS

BATCH = 500  # posts or captures a statement


@dataclass(frozen=True, slots=True)
class Observation:
    """What one capture says of a post: it is there, or away. `fetched_at` is UTC."""

    capture_id: int
    fetched_at: datetime
    outcome: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Away:
    """An absence as the captures tell it; named as the columns are. Outcome and reason are the first's."""

    capture_id: int
    outcome: str | None
    reason: str
    last_seen_at: datetime | None
    first_missing_at: datetime
    last_missing_at: datetime
    returned_at: datetime | None = None
    returned_capture_id: int | None = None


def absences_in(answers: Iterable[Observation]) -> Iterator[Away]:
    """The absences of one post, first to last; its answers are in the order of their fetching. Pure."""
    last_seen_at: datetime | None = None
    missing: list[Observation] = []
    for answer in answers:
        if answer.outcome in AWAY:
            missing.append(answer)
            continue
        if missing:
            yield _away(missing, last_seen_at, answer)
        missing, last_seen_at = [], answer.fetched_at
    if missing:
        yield _away(missing, last_seen_at, None)


def _away(
    missing: Sequence[Observation], last_seen_at: datetime | None, returned: Observation | None
) -> Away:
    first, last = missing[0], missing[-1]
    return Away(
        capture_id=first.capture_id,
        outcome=first.outcome,
        reason=first.reason,
        last_seen_at=last_seen_at,
        first_missing_at=first.fetched_at,
        last_missing_at=last.fetched_at,
        returned_at=returned.fetched_at if returned else None,
        returned_capture_id=returned.capture_id if returned else None,
    )


def of_post(session: Session, post: Post) -> list[Absence]:
    """When a post was away, first to last."""
    rows = select(Absence).where(Absence.post_id == post.id)
    return list(session.scalars(rows.order_by(Absence.first_missing_at, Absence.id)))


def lock_posts(session: Session, capture_ids: Sequence[int]) -> None:
    """Lock the posts whose addresses gave these captures, in the order in which all posts are locked."""
    _lock(session, Post.id.in_(_posts_of(capture_ids)))


def _lock(session: Session, chosen: ColumnElement[bool]) -> None:
    in_order = Post.account_id, Post.aid.collate("C")
    session.execute(select(Post.id).where(chosen).order_by(*in_order).with_for_update())


def update_absences(session: Session, capture_ids: Sequence[int]) -> None:
    """Bring up to date when the posts of these captures were away; their outcomes are noted already."""
    touched = exists().where(Absence.post_id == Post.id) | _has_been_missing()
    posts = select(Post.id).where(Post.id.in_(_posts_of(capture_ids)), touched)
    rebuild_absences(session, session.scalars(posts).all())


def posts_ever_missing(session: Session) -> list[int]:
    """The posts of which a capture says that they were away."""
    return list(
        session.scalars(
            select(Post.id).where(_has_been_missing()).order_by(Post.account_id, Post.aid.collate("C"))
        )
    )


def rebuild_absences(session: Session, post_ids: Sequence[int]) -> None:
    """Note when these posts were away, by all their captures."""
    for start in range(0, len(post_ids), BATCH):
        ids = post_ids[start : start + BATCH]
        _lock(session, Post.id.in_(ids))
        _reconcile(session, compute_absences(session, ids))


def compute_absences(session: Session, post_ids: Sequence[int]) -> dict[int, list[Away]]:
    """When each of these posts was away, as all its captures tell it; at most BATCH posts."""
    answers = _answers(session, post_ids)
    return {post_id: list(absences_in(answers.get(post_id, ()))) for post_id in post_ids}


def _posts_of(capture_ids: Sequence[int]) -> Select[Any]:
    rows = (
        select(Post.id)
        .join(AddressRow, IS_ITS_ADDRESS)
        .join(CaptureRow, CaptureRow.address_id == AddressRow.id)
    )
    return rows.where(CaptureRow.id.in_(capture_ids))


def _has_been_missing() -> ColumnElement[bool]:
    missing = select(CaptureRow.id).join(AddressRow, AddressRow.id == CaptureRow.address_id)
    return missing.where(IS_ITS_ADDRESS, CaptureRow.outcome.in_(AWAY)).correlate(Post).exists()


def _answers(session: Session, post_ids: Sequence[int]) -> dict[int, list[Observation]]:
    """What captures say of these posts, by post, in the order of their fetching."""
    columns = (
        Post.id.label("post_id"),
        CaptureRow.id,
        CaptureRow.fetched_at,
        CaptureRow.outcome,
        CaptureRow.reason,
    )
    telling = CaptureRow.outcome.in_([*AWAY, Outcome.ARTICLE]), Post.id.in_(post_ids)
    asked = (
        select(*columns)
        .join(AddressRow, IS_ITS_ADDRESS)
        .join(CaptureRow, CaptureRow.address_id == AddressRow.id)
    )
    handed_in = select(*columns).join(CaptureRow, CaptureRow.id == Post.capture_id)  # it may have no address
    rows = union(asked.where(*telling), handed_in.where(*telling)).order_by("post_id", "fetched_at", "id")
    found = groupby(session.execute(rows), key=lambda row: row.post_id)
    return {post_id: [Observation(*row[1:]) for row in rows] for post_id, rows in found}


def _reconcile(session: Session, found: dict[int, list[Away]]) -> None:
    """Make the rows of these posts say what was found; what ended first, for only one of a post may last."""
    known = session.scalars(select(Absence).where(Absence.post_id.in_(found))).all()
    rows = {row.capture_id: row for row in known}
    wanted = {away.capture_id: (post_id, away) for post_id, all_of_it in found.items() for away in all_of_it}
    session.execute(
        delete(Absence).where(Absence.id.in_([row.id for row in known if row.capture_id not in wanted]))
    )
    for capture_id, (_, away) in sorted(wanted.items(), key=lambda item: item[1][1].returned_at is None):
        if capture_id in rows:
            session.execute(update(Absence).where(Absence.id == rows[capture_id].id).values(asdict(away)))
    new = [
        {"post_id": post_id, **asdict(away)}
        for number, (post_id, away) in wanted.items()
        if number not in rows
    ]
    if new:
        session.execute(insert(Absence), new)
