"""Find gaps: what the archive should have, judging by what it knows, and does not. Uses no network."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from archive.audit.gap import AuditScope, Gap, GapKind, audit_scope, shanghai_day
from archive.audit.missing_pages import (
    posts_without_images,
    posts_without_page,
    previews,
    unanswered_addresses,
    unparsed_captures,
)
from archive.audit.missing_posts import (
    incomplete_albums,
    linked_posts,
    missing_digest_titles,
    posts_without_address,
    push_holes,
    unknown_links,
)
from archive.audit.silences import Silence, silences
from archive.db.models import Post
from archive.domain.messages import Message
from archive.domain.monitoring import remedy_for, unwatched
from archive.domain.weekly_digest import DIGEST_TITLE
from archive.repository.sources import last_listed

__all__ = ["Gap", "GapKind", "find_gaps", "first_gaps"]


def find_gaps(  # noqa: PLR0913 - all but the first three are options, given by name
    session: Session,
    account_id: int | None,
    now: datetime,
    *,
    since: date | None = None,
    until: date | None = None,
    digest_title: str = DIGEST_TITLE,
    has_sources: bool = False,
) -> list[Gap]:
    """Return the gaps of an account in the order of GapKind; None: of addresses of no known account.

    `since` and `until` are dates in Asia/Shanghai, both included; a gap of no known date is always in.
    `has_sources`: sources are configured for the account, even if none of them was polled yet.
    """
    scope = audit_scope(session, account_id, now, has_sources=has_sources)
    found = (gap for gap in _every_gap(session, scope, digest_title) if _is_within(gap, since, until))
    order = {kind: position for position, kind in enumerate(GapKind)}
    return sorted(found, key=lambda gap: order[gap.kind])


def first_gaps(
    session: Session, account_id: int, now: datetime, most: int
) -> list[tuple[GapKind, int, Sequence[Gap]]]:
    """Return for each kind of gap that an account has their number, and the first of them, at most `most`.

    A number above MAX_COUNTED says that there are more than that: the others were not counted.
    """
    scope = audit_scope(session, account_id, now, has_sources=False, most=most)
    found: dict[GapKind, list[Gap]] = {kind: [] for kind in GapKind}
    for gap in _every_gap(session, scope, DIGEST_TITLE):
        found[gap.kind].append(gap)
    return [(kind, len(gaps) + scope.omitted[kind], gaps[:most]) for kind, gaps in found.items() if gaps]


def _every_gap(session: Session, scope: AuditScope, digest_title: str) -> Iterator[Gap]:
    yield from unanswered_addresses(session, scope)
    yield from unparsed_captures(session, scope)
    if scope.account_id is not None:
        yield from _gaps_of_posts(session, scope, digest_title)


def _gaps_of_posts(session: Session, scope: AuditScope, digest_title: str) -> Iterator[Gap]:
    links = unknown_links(session, scope)
    yield from push_holes(session, scope, links)
    yield from linked_posts(session, scope, links)
    yield from incomplete_albums(session, scope)
    yield from missing_digest_titles(session, scope, digest_title)
    yield from posts_without_address(session, scope)
    yield from _silences(session, scope)
    yield from posts_without_page(session, scope)
    yield from posts_without_images(session, scope)
    yield from previews(session, scope)


def _is_within(gap: Gap, since: date | None, until: date | None) -> bool:
    if gap.day is None:
        return True
    return (since is None or gap.day >= since) and (until is None or gap.day <= until)


def _silences(session: Session, scope: AuditScope) -> Iterator[Gap]:
    days = scope.execute(session, _days).scalars()
    for silence in silences(days.all(), shanghai_day(scope.now)):
        first, last = silence.first, silence.last
        dates = {"first": str(first), "last": str(last)}
        what, remedy = _explain(session, scope, silence)
        yield scope.gap(
            GapKind.SILENT,
            str(first) if first == last else Message("archive.audit.days", dates),
            what,
            remedy,
            fillable=scope.can_search,
            day=last,
        )


def _days(scope: AuditScope) -> Select[date]:
    return select(Post.published_on).where(Post.account_id == scope.account_id).distinct()


def _explain(session: Session, scope: AuditScope, silence: Silence) -> tuple[Message, Message]:
    """Return what is known of a silence, and what to do about it.

    One that lasts may be that of sources that nobody asks.
    """
    what = {
        "n": (silence.last - silence.first) // timedelta(days=1) + 1,
        "usual": [_share(weekday, share) for weekday, share in silence.usual.items()],
        "chance": f"{silence.chance:.2g}",
    }
    remedy = Message("archive.audit.remedy_silence")
    if not silence.ongoing:
        return Message("archive.audit.silence", what), remedy
    listed = last_listed(session, scope.biz)
    if listed is None:
        asked = Message("archive.audit.never_asked")
        remedy = remedy_for(unwatched(scope.name or scope.biz))
    else:
        asked = Message("archive.audit.asked_last", {"at": listed})
        if shanghai_day(listed) <= silence.first:
            remedy = Message("archive.audit.remedy_sources")
    return Message("archive.audit.silence_going_on", what | {"asked": asked}), remedy


def _share(weekday: int, share: float) -> Message:
    name = Message(f"archive.weekday.{weekday}")
    return Message("archive.audit.share_of_weekday", {"weekday": name, "share": round(share * 100)})
