"""Gaps: what the archive should hold by what it knows, and does not. Reads, and asks nobody."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.audit.gap import AuditScope, Gap, GapKind, whose
from archive.audit.missing_pages import unread, without_images, without_page
from archive.audit.missing_posts import albums, holes, lacking, linked, listed_titles
from archive.audit.silences import silences
from archive.db.models import Post
from archive.domain.weekly_digest import DIGEST_TITLE

__all__ = ["Gap", "GapKind", "find_gaps"]

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


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
    """The gaps of an account by kind, in the order of GapKind; None: of addresses that tell no account.

    `since` and `until` are dates in Asia/Shanghai, both included; a gap of no known date is always in.
    `has_sources`: sources are configured for the account, even if none of them was asked yet.
    """
    its = whose(session, account_id, now, has_sources=has_sources)
    found = [*lacking(session, its), *unread(session, its)]
    if account_id is not None:
        found += _of_posts(session, its, digest_title)
    order = {kind: place for place, kind in enumerate(GapKind)}
    return sorted((gap for gap in found if _is_within(gap, since, until)), key=lambda gap: order[gap.kind])


def _of_posts(session: Session, its: AuditScope, digest_title: str) -> Iterator[Gap]:
    yield from holes(session, its)
    yield from linked(session, its)
    yield from albums(session, its)
    yield from listed_titles(session, its, digest_title)
    yield from _silent(session, its)
    yield from without_page(session, its)
    yield from without_images(session, its)


def _is_within(gap: Gap, since: date | None, until: date | None) -> bool:
    if gap.day is None:
        return True
    return (since is None or gap.day >= since) and (until is None or gap.day <= until)


def _silent(session: Session, its: AuditScope) -> Iterator[Gap]:
    days = session.scalars(select(Post.published_on).where(Post.account_id == its.account_id).distinct())
    for silence in silences(days.all()):
        first, last = silence.first, silence.last
        usual = ", ".join(f"{_WEEKDAYS[day]} {share:.0%}" for day, share in silence.usual.items())
        number = (last - first) // timedelta(days=1) + 1
        yield its.gap(
            GapKind.SILENT,
            str(first) if first == last else f"{first} to {last}",
            f"{number} day{'s' if number > 1 else ''} without a post; days with posts otherwise: {usual}"
            f" (chance of such a silence: {silence.chance:.2g})",
            "a public holiday may explain it; else look there, and `mparchive backfill` what is found",
            fillable=its.can_look,
            day=last,
        )
