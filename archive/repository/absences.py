"""Compute and store absences: when posts were unavailable, by the captures of their addresses.

They follow from the captures alone and are computed again whenever one is parsed. Captures may come in any
order (a WARC may bring one of years ago); what counts is the order in which they were fetched.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, delete, exists, insert, select, union, update
from sqlalchemy.orm import Session

from archive.db.models import (
    Absence,
    Address,
    Capture,
    ParseResult,
    Post,
)
from archive.domain.outcomes import AWAY, Outcome
from archive.repository.evidence import FactKind
from archive.repository.hash_chain import append_facts
from archive.repository.post_queries import (
    IS_ITS_ADDRESS,
    IS_ITS_RESULT,
)

ABSENCE_BATCH = 500  # posts or captures per statement


@dataclass(frozen=True, slots=True)
class Observation:
    """What one capture says of a post: it is there, or it is away. `fetched_at` is UTC."""

    capture_id: int
    fetched_at: datetime
    outcome: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class ComputedAbsence:
    """An absence by the captures; named as the columns are. Outcome and reason are the first capture's."""

    capture_id: int
    outcome: str | None
    reason: str
    last_seen_at: datetime | None
    first_missing_at: datetime
    last_missing_at: datetime
    returned_at: datetime | None = None
    returned_capture_id: int | None = None


def absences_in(observations: Iterable[Observation]) -> Iterator[ComputedAbsence]:
    """Yield the absences of one post, first to last, from its observations in the order of their fetching."""
    last_seen_at: datetime | None = None
    missing: list[Observation] = []
    for observation in observations:
        if observation.outcome in AWAY:
            missing.append(observation)
            continue
        if missing:
            yield _absence(missing, last_seen_at, observation)
        missing, last_seen_at = [], observation.fetched_at
    if missing:
        yield _absence(missing, last_seen_at, None)


def _absence(
    missing: Sequence[Observation], last_seen_at: datetime | None, returned: Observation | None
) -> ComputedAbsence:
    first, last = missing[0], missing[-1]
    return ComputedAbsence(
        capture_id=first.capture_id,
        outcome=first.outcome,
        reason=first.reason,
        last_seen_at=last_seen_at,
        first_missing_at=first.fetched_at,
        last_missing_at=last.fetched_at,
        returned_at=returned.fetched_at if returned else None,
        returned_capture_id=returned.capture_id if returned else None,
    )


def absences_of(session: Session, post: Post) -> list[Absence]:
    """Return the stored absences of a post, first to last."""
    return list(session.scalars(_ABSENCES, {"post": post.id}))


_ABSENCES = (
    select(Absence).where(Absence.post_id == bindparam("post")).order_by(Absence.first_missing_at, Absence.id)
)


def lock_posts(session: Session, capture_ids: Sequence[int]) -> None:
    """Lock the posts whose addresses gave these captures, in the order in which all posts are locked."""
    _lock(session, Post.id.in_(_posts_of(capture_ids)))


def _lock(session: Session, chosen: ColumnElement[bool]) -> None:
    in_order = Post.account_id, Post.aid.collate("C")
    session.execute(select(Post.id).where(chosen).order_by(*in_order).with_for_update())


def update_absences(session: Session, capture_ids: Sequence[int]) -> None:
    """Bring the absences of the posts of these captures up to date; their outcomes are stored already."""
    touched = exists().where(Absence.post_id == Post.id) | _has_been_missing()
    posts = select(Post.id).where(Post.id.in_(_posts_of(capture_ids)), touched)
    rebuild_absences(session, session.scalars(posts).all())


def posts_ever_missing(session: Session) -> list[int]:
    """Return the ids of posts that any capture says were away."""
    return list(
        session.scalars(
            select(Post.id).where(_has_been_missing()).order_by(Post.account_id, Post.aid.collate("C"))
        )
    )


def rebuild_absences(session: Session, post_ids: Sequence[int]) -> None:
    """Compute and store the absences of these posts from all their captures."""
    for start in range(0, len(post_ids), ABSENCE_BATCH):
        ids = post_ids[start : start + ABSENCE_BATCH]
        _lock(session, Post.id.in_(ids))
        _reconcile(session, compute_absences(session, ids))


def compute_absences(session: Session, post_ids: Sequence[int]) -> dict[int, list[ComputedAbsence]]:
    """Return the absences of each of these posts by all its captures; give at most ABSENCE_BATCH posts."""
    observations = _observations(session, post_ids)
    return {post_id: list(absences_in(observations.get(post_id, ()))) for post_id in post_ids}


def _posts_of(capture_ids: Sequence[int]) -> Select[Any]:
    rows = select(Post.id).join(Address, IS_ITS_ADDRESS).join(Capture, Capture.address_id == Address.id)
    return rows.where(Capture.id.in_(capture_ids))


def _has_been_missing() -> ColumnElement[bool]:
    missing = select(Capture.id).join(Address, Address.id == Capture.address_id)
    missing = missing.join(ParseResult, IS_ITS_RESULT)
    return missing.where(IS_ITS_ADDRESS, ParseResult.outcome.in_(AWAY)).correlate(Post).exists()


def _observations(session: Session, post_ids: Sequence[int]) -> dict[int, list[Observation]]:
    """Return what captures say of these posts, by post, in the order of their fetching."""
    columns = (
        Post.id.label("post_id"),
        Capture.id,
        Capture.fetched_at,
        ParseResult.outcome,
        ParseResult.reason,
    )
    conclusive = ParseResult.outcome.in_([*AWAY, Outcome.ARTICLE]), Post.id.in_(post_ids)
    by_address = (
        select(*columns)
        .join(Address, IS_ITS_ADDRESS)
        .join(Capture, Capture.address_id == Address.id)
        .join(ParseResult, IS_ITS_RESULT)
    )
    # it may have no address
    by_current_page = select(*columns).join(Capture, Capture.id == Post.capture_id)
    by_current_page = by_current_page.join(ParseResult, IS_ITS_RESULT)
    rows = union(by_address.where(*conclusive), by_current_page.where(*conclusive)).order_by(
        "post_id", "fetched_at", "id"
    )
    by_post = groupby(session.execute(rows), key=lambda row: row.post_id)
    return {post_id: [Observation(*row[1:]) for row in rows] for post_id, rows in by_post}


def _reconcile(session: Session, computed: dict[int, list[ComputedAbsence]]) -> None:
    """Make the rows of these posts equal to what was computed; ended ones first: one of a post may last."""
    known = session.scalars(select(Absence).where(Absence.post_id.in_(computed))).all()
    rows = {row.capture_id: row for row in known}
    wanted = {one.capture_id: (post_id, one) for post_id, absences in computed.items() for one in absences}
    session.execute(
        delete(Absence).where(Absence.id.in_([row.id for row in known if row.capture_id not in wanted]))
    )
    for capture_id, (_, absence) in sorted(wanted.items(), key=lambda item: item[1][1].returned_at is None):
        if capture_id in rows:
            session.execute(update(Absence).where(Absence.id == rows[capture_id].id).values(asdict(absence)))
    new = [
        {"post_id": post_id, **asdict(absence)}
        for capture_id, (post_id, absence) in wanted.items()
        if capture_id not in rows
    ]
    if new:
        session.execute(insert(Absence), new)
    append_facts(session, FactKind.ABSENCES, computed.keys())
