"""Ration the requests for bare addresses: long ones without chksm, which WeChat answers with verification.

A challenge blocks the egress for every other address, so bare ones are asked last, and seldom. Each function
takes a session and leaves the commit to its caller. Instants are aware UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Boolean, ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from archive.db.models import Account, Address, Post, PostLink
from archive.domain.outcomes import BLOCKING, LINKS_TO_POSTS, NO_ANSWER, Outcome
from archive.repository.derived import counts

DAY = timedelta(days=1)

LISTED_WAIT = DAY  # of one that a source listed, before it is asked: an album or a feed may give its chksm

REFUSED = (*sorted(BLOCKING), Outcome.UNKNOWN, NO_ANSWER)  # outcomes of requests that brought no post


def has_chksm(url: Any) -> ColumnElement[bool]:
    """Tell in SQL whether a URL has a chksm that is not empty."""
    found: ColumnElement[bool] = url.regexp_match("[?&]chksm=[^&#]")
    return found


# The database has these conditions as functions, because its indexes are for exactly these.
IS_LONG = Address.short_token.is_(None)

IS_BARE: ColumnElement[bool] = func.derived.is_bare(Address.short_token, Address.url, type_=Boolean())

IS_REFUSED_BARE = and_(IS_BARE, func.derived.is_refused(Address.last_outcome, type_=Boolean()))

_WAITS = Address.next_fetch_at.is_not(None)


@dataclass(frozen=True, slots=True)
class BareStatus:
    """How many bare addresses wait, and before when none of them is asked; None: never."""

    waiting: int = 0
    next_at: datetime | None = None


def linked_with_chksm(session: Session, keys: Sequence[str]) -> dict[str, str]:
    """Return the addresses with chksm by which posts of the same account link to these posts, by key."""
    own = PostLink.key.startswith(func.concat(Account.biz, ":"))
    rows = select(PostLink.key, func.min(PostLink.url)).join(Post, Post.id == PostLink.post_id)
    rows = rows.join(Account, Account.id == Post.account_id).where(own, has_chksm(PostLink.url))
    rows = rows.where(PostLink.relation.in_(LINKS_TO_POSTS))
    return {
        key: url for key, url in session.execute(rows.where(PostLink.key.in_(keys)).group_by(PostLink.key))
    }


def may_ask_bare(session: Session, bare_a_day: int, now: datetime) -> bool:
    """Tell whether a bare address may be asked now.

    After one that brought no post, the next waits its share of a day. After a challenge it waits besides
    until another address was asked, while any waits: no two challenges in a row come from bare ones then.
    """
    refused_at = _last_refusal(session)
    if bare_a_day == 0 or (refused_at is not None and now < refused_at + DAY / bare_a_day):
        return False
    return not _must_let_others_pass(session)


def bare_status(session: Session, bare_a_day: int, now: datetime) -> BareStatus:
    """Return how many bare addresses wait, and when the next may be asked."""
    waiting = counts(session, ["addresses_bare"])["addresses_bare"].total()
    first_due = session.scalar(select(func.min(Address.next_fetch_at)).where(IS_BARE, _WAITS))
    if first_due is None or bare_a_day == 0:
        return BareStatus(waiting)
    refused_at = _last_refusal(session)
    share = refused_at + DAY / bare_a_day if refused_at else now
    return BareStatus(waiting, max(first_due, share, now))


def _last_refusal(session: Session) -> datetime | None:
    return session.scalar(select(func.max(Address.last_tried_at)).where(IS_REFUSED_BARE))


def _must_let_others_pass(session: Session) -> bool:
    """Tell whether the last address asked was a bare one and gave a challenge, while others wait."""
    return bare_challenge_at(session) is not None and session.scalar(select(_others_wait())) is True


def bare_challenge_at(session: Session) -> datetime | None:
    """Return when the last address was asked, if it was a bare one that gave a challenge; None otherwise."""
    last = select(IS_BARE & Address.last_outcome.in_(sorted(BLOCKING)), Address.last_tried_at)
    last = last.where(Address.last_tried_at.is_not(None))
    row = session.execute(last.order_by(Address.last_tried_at.desc()).limit(1)).first()
    return row[1] if row and row[0] else None


def _others_wait() -> ColumnElement[bool]:
    return select(Address.id).where(~IS_BARE, _WAITS).exists()
