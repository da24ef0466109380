"""Compare the post that a page is with the post that was asked for, and report addresses that give another.

A page of another post is stored as a capture with the reason, never as the post that was asked for, whose
address stays due. Each function takes a session and leaves the commit to its caller. Instants are aware UTC.
"""

from collections.abc import Sequence

from sqlalchemy import Boolean, ColumnElement, func, select
from sqlalchemy.orm import Session

from archive.db.models import Account, Address, Capture
from archive.domain.addresses import PostId, parse_address
from archive.domain.errors import AddressError
from archive.domain.messages import Message
from archive.domain.monitoring import HealthProblem, IncidentKind, IncidentSubject
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage

OTHER_POST = "archive.post.other"  # code of the reason: the page is another post than the one asked for

REDIRECTED = "archive.post.redirected"  # the same, after a redirect to the other post's address

REPEATED = 2  # times in a row from which on it is no accident

SUBJECT = IncidentSubject(IncidentKind.OTHER_POSTS)  # of one incident, however many addresses there are

_GIVES_OTHER: ColumnElement[bool] = func.derived.gave_other_post(Address.last_reason, type_=Boolean())


def drop_other_posts(
    session: Session, results: Sequence[tuple[int, ParsedPage]]
) -> list[tuple[int, ParsedPage]]:
    """Return parse results, those whose page is another post than was asked for as UNKNOWN with the reason.

    A long address names its post; of a short link it is known once its page was stored before.
    """
    served = {
        capture_id: PostId.of(page.biz, page.record.aid)
        for capture_id, page in results
        if page.biz and page.record
    }
    columns = Capture.id, Capture.final_url, Address.key, Address.aid, Account.biz
    rows = select(*columns).join(Address, Address.id == Capture.address_id)
    rows = rows.outerjoin(Account, Account.id == Address.account_id).where(Capture.id.in_(served))
    reasons: dict[int, Message] = {}
    for capture_id, final_url, key, aid, biz in session.execute(rows):
        asked = PostId.of_key(key) or (PostId.of(biz, aid) if biz and aid else None)
        if asked is not None and not asked.is_same(served[capture_id]):
            reasons[capture_id] = _reason(asked, served[capture_id], final_url)
    return [
        (capture_id, _as_unknown(page, reasons[capture_id]) if capture_id in reasons else page)
        for capture_id, page in results
    ]


def _reason(asked: PostId, served: PostId, final_url: str) -> Message:
    posts = {"asked": str(asked), "served": str(served)}
    try:
        target = PostId.of_key(parse_address(final_url).key)
    except AddressError:
        target = None
    is_redirect = target is not None and target.is_same(served)
    return Message(REDIRECTED, {**posts, "url": final_url}) if is_redirect else Message(OTHER_POST, posts)


def _as_unknown(page: ParsedPage, reason: Message) -> ParsedPage:
    return ParsedPage(Outcome.UNKNOWN, reason.dump(), page=page.page)


def count_other_posts(session: Session, attempts: int = 1) -> int:
    """Count addresses whose last response, so many times in a row at least, was another post."""
    return session.scalar(select(func.count()).where(_GIVES_OTHER, Address.attempts >= attempts)) or 0


def other_post_problems(session: Session) -> list[HealthProblem]:
    """Return what to report where addresses gave another post more than once in a row."""
    number = count_other_posts(session, REPEATED)
    if not number:
        return []
    rows = select(Address.last_reason).where(_GIVES_OTHER, Address.attempts >= REPEATED)
    example = session.scalar(rows.order_by(Address.last_tried_at.desc()).limit(1)) or ""
    params = {"n": number, "example": Message.load(example)}
    return [HealthProblem(SUBJECT, Message("archive.incident.other_posts", params))]
