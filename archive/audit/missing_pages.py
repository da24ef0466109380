"""What archived posts lack: their page, its images; and pages that are kept and not read."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, Select, func, select, true
from sqlalchemy.orm import Session

from archive.audit.gap import AuditScope, Gap, GapKind, day_of
from archive.audit.missing_posts import STATE, state
from archive.db.models import Absence, AddressRow, CaptureRow, MediumRow, Post, PostMedium
from archive.domain.outcomes import AWAY, MediumOutcome, MediumType
from archive.repository.post_queries import IS_ITS_ADDRESS

_POST = (Post.aid.label("post_aid"), Post.url.label("post_url"), Post.title, Post.published_on)

READ_WITHIN = timedelta(hours=1)  # of being kept; longer, and whoever kept it was killed


def without_page(session: Session, its: AuditScope) -> Iterator[Gap]:
    """Posts of which only the text is known, as after a dump; not those that are away by now."""
    for row in session.execute(_without_page(its)):
        what = f"taken over from a {row.source}; {state(row, its.now)}"
        yield _of_post(its, GapKind.NO_PAGE, row, what, "`mparchive audit --fill` fetches it")


def _of_post(  # noqa: PLR0913 - what differs between the gaps of posts
    its: AuditScope, kind: GapKind, row: Row[Any], what: str, remedy: str, *, fillable: bool = True
) -> Gap:
    """A gap of an archived post: its address is asked, or the one that stands with the post."""
    return its.gap(
        kind,
        row.post_aid,
        what,
        remedy,
        fillable=fillable,
        day=row.published_on,
        title=row.title,
        address_id=row.address_id,
        url="" if row.address_id else row.post_url,
    )


def _without_page(its: AuditScope) -> Select[Any]:
    best = _best_address()
    away = select(Absence.id).where(Absence.post_id == Post.id, Absence.returned_at.is_(None))
    gone = select(AddressRow.id).where(IS_ITS_ADDRESS, AddressRow.last_outcome.in_(AWAY))
    rows = select(*_POST, Post.source, best).outerjoin(best, true())
    rows = rows.where(Post.account_id == its.account_id, Post.capture_id.is_(None))
    return rows.where(~away.exists(), ~gone.exists()).order_by(Post.published_on, Post.mid, Post.idx)


def _best_address() -> Any:
    """The address of a post with chksm, else any."""
    rows = select(AddressRow.id.label("address_id"), *STATE).where(IS_ITS_ADDRESS)
    return rows.order_by(AddressRow.url.contains("chksm=").desc(), AddressRow.id).limit(1).lateral()


def without_images(session: Session, its: AuditScope) -> Iterator[Gap]:
    """Posts whose current page shows images that are not kept."""
    for row in session.execute(_without_images(its)):
        counts = {"never asked": row.never, "refused": row.refused, "failed": row.failed, "expired": row.over}
        told = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
        can_ask = row.lacking > row.over
        what = f"{row.lacking} of its {row.shown} images are not kept: {told}"
        remedy = (
            "`mparchive audit --fill` asks for them"
            if can_ask
            else "their addresses work no more; "
            f"`mparchive backfill --again {row.post_url}` may give new ones"
        )
        yield _of_post(its, GapKind.NO_IMAGES, row, what, remedy, fillable=can_ask)


def _without_images(its: AuditScope) -> Select[Any]:
    best = _best_address()
    counts = _image_counts(its).subquery()
    rows = select(*_POST, counts, best)
    rows = rows.join(counts, counts.c.post_id == Post.id).outerjoin(best, true())
    return rows.order_by(Post.published_on, Post.mid, Post.idx)


def _image_counts(its: AuditScope) -> Select[Any]:
    """By post: images its current page shows, those not kept, and why; each is counted once."""
    outcome, lacks = MediumRow.last_outcome, MediumRow.file_id.is_(None)
    over = lacks & ((MediumRow.url == "") | func.coalesce(MediumRow.expires_at <= its.now, False))

    def number(which: Any) -> Any:
        return func.count(MediumRow.id.distinct()).filter(which)

    return (
        select(
            PostMedium.post_id,
            func.count(MediumRow.id.distinct()).label("shown"),
            number(lacks).label("lacking"),
            number(over).label("over"),
            number(lacks & ~over & outcome.is_(None)).label("never"),
            number(lacks & ~over & (outcome == MediumOutcome.REFUSED)).label("refused"),
            number(lacks & ~over & (outcome == MediumOutcome.FAILED)).label("failed"),
        )
        .join(MediumRow, MediumRow.id == PostMedium.medium_id)
        .join(Post, (Post.id == PostMedium.post_id) & (Post.capture_id == PostMedium.capture_id))
        .where(Post.account_id == its.account_id, MediumRow.type == MediumType.IMAGE)
        .group_by(PostMedium.post_id)
        .having(func.bool_or(lacks))
    )


def unread(session: Session, its: AuditScope) -> Iterator[Gap]:
    """Captures that were kept a while ago and never read."""
    rows = select(CaptureRow.id, CaptureRow.requested_url, CaptureRow.fetched_at)
    rows = rows.outerjoin(AddressRow, AddressRow.id == CaptureRow.address_id).where(its.addresses)
    rows = rows.where(CaptureRow.outcome.is_(None), CaptureRow.fetched_at < its.now - READ_WITHIN)
    for number, url, fetched_at in session.execute(rows.order_by(CaptureRow.id)):
        yield its.gap(
            GapKind.UNREAD,
            f"capture {number}",
            f"the answer of {url} was kept and not read",
            "`mparchive audit --fill` has it read, as does any crawl",
            fillable=True,
            day=day_of(fetched_at),
        )
