"""Pages that a later parser reads again: what would change, and writing it.

A page that was read as a post and would be none any more, or another one, is told and left as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Date, Row, cast, delete, func, select, tuple_
from sqlalchemy.orm import Session

from archive.db.models import Account, AddressRow, CaptureRow, MediumRow, Post, PostLink, PostMedium, Version
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage, page_facts, page_ties
from archive.domain.pg_text import storable
from archive.domain.records import Record, record_hash
from archive.domain.text_diff import Extent, difference, extent
from archive.ingest import pages
from archive.repository.address_outcomes import drop_foreign_posts
from archive.repository.post_queries import IS_ITS_ADDRESS

_Row = Row[*tuple[Any, ...]]


class ReparseResult(StrEnum):
    """What reading a page again comes to."""

    SAME = "same"
    FACTS = "facts"  # kind, time, HTML, media, links or other facts of the post
    TEXT = "text"  # a new version, which is what the post is now
    EARLIER_TEXT = "earlier_text"  # a new version of an earlier page
    NEW = "new"  # a post that is not archived yet
    OUTCOME = "outcome"  # of a page that is none of a post
    LOST = "lost"  # a post that would be none any more, or another one: nothing is written


@dataclass(frozen=True, slots=True)
class ReparseSelection:
    """Which captures to read again. Days are in Asia/Shanghai, both included: of the post's publication,
    or of the fetch where the page is none of a post."""

    aids: tuple[str, ...] = ()
    account: str | None = None
    since: date | None = None
    until: date | None = None
    whole: bool = False  # also those that today's parser has read


@dataclass(frozen=True, slots=True)
class Reread:
    """One page read again: what it was and is, and how much of the text changes, in characters."""

    capture_id: int
    finding: ReparseResult
    before: str
    after: str
    aid: str = ""
    title: str = ""
    reason: str = ""
    extent: Extent | None = None


def captures_to_reread(session: Session, chosen: ReparseSelection, parser_version: int) -> list[int]:
    """The captures an earlier parser has read, in the order they were fetched."""
    rows = select(CaptureRow.id).outerjoin(AddressRow, AddressRow.id == CaptureRow.address_id)
    rows = rows.outerjoin(Post, IS_ITS_ADDRESS).outerjoin(Account, Account.id == AddressRow.account_id)
    rows = rows.where(CaptureRow.outcome.is_not(None), *_conditions(chosen))
    if not chosen.whole:
        version = func.coalesce(CaptureRow.parser_version, 0)
        rows = rows.where(version < parser_version)
    return list(session.scalars(rows.order_by(CaptureRow.fetched_at, CaptureRow.id)))


def _conditions(chosen: ReparseSelection) -> list[ColumnElement[bool]]:
    day = func.coalesce(Post.published_on, cast(func.timezone("Asia/Shanghai", CaptureRow.fetched_at), Date))
    named = (Account.biz == chosen.account) | (Account.name == chosen.account)
    found: list[ColumnElement[bool]] = [AddressRow.aid.in_(chosen.aids)] if chosen.aids else []
    found += [named | (Post.account_name == chosen.account)] if chosen.account else []
    found += [day >= chosen.since] if chosen.since else []
    return found + ([day <= chosen.until] if chosen.until else [])


def findings(session: Session, readings: Sequence[tuple[int, ParsedPage]]) -> list[Reread]:
    """What these readings would change; one for each, in order. Nothing is written."""
    readings = drop_foreign_posts(session, readings)
    captures = _captures(session, [capture_id for capture_id, _ in readings])
    posts = _posts(session, [reading for _, reading in readings])
    ties = _ties(session, list(captures))
    return [_judged(captures[number], reading, posts, ties) for number, reading in readings]


def reread(
    session: Session,
    run_id: int,
    readings: Sequence[tuple[int, ParsedPage]],
    now: datetime,
    parser_version: int,
) -> list[Reread]:
    """Write what readings change; what it was, as `findings` tells. Of what is lost nothing is written."""
    found = findings(session, readings)
    kept = [pair for pair, one in zip(readings, found, strict=True) if one.finding is not ReparseResult.LOST]
    pages.store_readings(session, run_id, kept, now, parser_version)
    for capture_id, reading in kept:
        _untie(session, capture_id, reading)
    return found


@dataclass(frozen=True, slots=True)
class _Known:
    """A post as it is stored, with the hashes of its versions and when its page was fetched."""

    post: Post
    hashes: frozenset[str]
    fetched_at: datetime | None


def _captures(session: Session, ids: Sequence[int]) -> dict[int, _Row]:
    rows = select(
        CaptureRow.id, CaptureRow.outcome, CaptureRow.reason, CaptureRow.fetched_at, AddressRow.aid
    ).outerjoin(AddressRow, AddressRow.id == CaptureRow.address_id)
    return {row.id: row for row in session.execute(rows.where(CaptureRow.id.in_(ids)))}


def _posts(session: Session, readings: Sequence[ParsedPage]) -> dict[tuple[str, str], _Known]:
    """The posts that readings are of, by biz and aid."""
    named = [(reading.biz, reading.record.aid) for reading in readings if reading.biz and reading.record]
    rows = select(Account.biz, Post, CaptureRow.fetched_at).join(Account, Account.id == Post.account_id)
    rows = rows.outerjoin(CaptureRow, CaptureRow.id == Post.capture_id)
    found = session.execute(rows.where(tuple_(Account.biz, Post.aid).in_(named))).all()
    hashes = select(Version.post_id, func.array_agg(Version.content_hash)).group_by(Version.post_id)
    of_post = {
        post_id: frozenset(all_of_it)
        for post_id, all_of_it in session.execute(
            hashes.where(Version.post_id.in_([row.Post.id for row in found]))
        )
    }
    return {
        (biz, post.aid): _Known(post, of_post.get(post.id, frozenset()), fetched_at)
        for biz, post, fetched_at in found
    }


def _ties(session: Session, capture_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """How many media and links are tied to these captures."""
    counted = [
        dict(
            session.execute(
                select(table.capture_id, func.count())
                .where(table.capture_id.in_(capture_ids))
                .group_by(table.capture_id)
            ).all()
        )
        for table in (PostMedium, PostLink)
    ]
    return {number: (counted[0].get(number, 0), counted[1].get(number, 0)) for number in capture_ids}


def _judged(
    capture: _Row,
    reading: ParsedPage,
    posts: dict[tuple[str, str], _Known],
    ties: dict[int, tuple[int, int]],
) -> Reread:
    record = reading.record
    known = posts.get((reading.biz or "", record.aid)) if record else None
    finding, changed = _finding(capture, reading, known, ties[capture.id])
    return Reread(
        capture_id=capture.id,
        finding=finding,
        before=capture.outcome,
        after=str(reading.outcome),
        aid=record.aid if record else capture.aid or "",
        title=record.title if record else "",
        reason=reading.reason,
        extent=changed,
    )


def _finding(
    capture: _Row, reading: ParsedPage, known: _Known | None, ties: tuple[int, int]
) -> tuple[ReparseResult, Extent | None]:
    record = reading.record
    if _is_lost(capture, reading):
        return ReparseResult.LOST, None
    if record is None:
        is_same = (capture.outcome, capture.reason) == (reading.outcome, storable(reading.reason))
        return ReparseResult.SAME if is_same else ReparseResult.OUTCOME, None
    return _of_post(capture, reading, record, known, ties)


def _of_post(
    capture: _Row, reading: ParsedPage, record: Record, known: _Known | None, ties: tuple[int, int]
) -> tuple[ReparseResult, Extent | None]:
    if known is None:
        return ReparseResult.NEW, Extent(len(record.text), 0)
    hash_ = record_hash(record)
    if reading.needs_browser:
        is_its = known.post.capture_id == capture.id and not known.hashes
        is_same = hash_ == known.post.content_hash and _facts(known.post, ties) == _told(reading)
        return ReparseResult.FACTS if is_its and not is_same else ReparseResult.SAME, None
    is_current = known.fetched_at is None or capture.fetched_at >= known.fetched_at
    if hash_ == known.post.content_hash:
        is_same = known.post.capture_id != capture.id or _facts(known.post, ties) == _told(reading)
        return ReparseResult.SAME if is_same else ReparseResult.FACTS, None
    if not is_current:
        return ReparseResult.SAME if hash_ in known.hashes else ReparseResult.EARLIER_TEXT, None
    texts = (f"{one.title}\r{one.text}" for one in (known.post, record))
    return ReparseResult.TEXT, extent(difference(*texts))


def _is_lost(capture: _Row, reading: ParsedPage) -> bool:
    """It was a post, and is none any more or another one."""
    was_post = capture.outcome == Outcome.ARTICLE and not capture.reason
    if not was_post:
        return False
    return reading.record is None or capture.aid not in (None, reading.record.aid)


def _facts(post: Post, ties: tuple[int, int]) -> tuple[Any, ...]:
    return post.kind, post.published_at, post.html, post.facts, str(post.published_on), *ties


def _told(reading: ParsedPage) -> tuple[Any, ...]:
    told = page_facts(reading)
    media, links = page_ties(reading)
    day = reading.record.date if reading.record else ""
    return *(told[name] for name in ("kind", "published_at", "html", "facts")), day, len(media), len(links)


def _untie(session: Session, capture_id: int, reading: ParsedPage) -> None:
    """Part a page from what an earlier parser found in it, and today's does not."""
    media, links = page_ties(reading)
    strange = (
        select(PostMedium.id, PostMedium.role, MediumRow.key)
        .join(MediumRow)
        .where(PostMedium.capture_id == capture_id)
    )
    gone = [number for number, role, key in session.execute(strange) if (role, key) not in media]
    session.execute(delete(PostMedium).where(PostMedium.id.in_(gone)))
    rows = select(PostLink.id, PostLink.relation, PostLink.key).where(PostLink.capture_id == capture_id)
    gone = [number for number, relation, key in session.execute(rows) if (relation, key) not in links]
    session.execute(delete(PostLink).where(PostLink.id.in_(gone)))
