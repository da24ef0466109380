"""Find what archived posts lack: their page or images; and stored pages that were never parsed."""

import shlex
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, Select, func, select, true
from sqlalchemy.orm import Session

from archive.audit.gap import FETCH, AuditScope, Gap, GapKind, shanghai_day
from archive.audit.missing_posts import FETCH_STATE, fetch_state
from archive.db.models import (
    Absence,
    Address,
    Capture,
    Medium,
    Post,
    PostMedium,
    UnparsedCapture,
)
from archive.domain.messages import Message
from archive.domain.outcomes import AWAY, MediumOutcome, MediumType
from archive.repository.post_queries import IS_ITS_ADDRESS, IS_PREVIEW

_POST = (Post.aid.label("post_aid"), Post.url.label("post_url"), Post.title, Post.published_on)

PARSED_WITHIN = timedelta(hours=1)  # of being stored; after that, the process that stored it was killed


def posts_without_page(session: Session, scope: AuditScope) -> Iterator[Gap]:
    """Yield posts of which only the text is known, as from a dump, and that are not unavailable by now."""
    for row in session.execute(_without_page(scope)):
        source = Message(f"archive.version_source.{row.source}")
        params = {"source": source, "state": fetch_state(row, scope.now)}
        yield _gap_of_post(scope, GapKind.NO_PAGE, row, Message("archive.audit.only_text", params), FETCH)


def _gap_of_post(  # noqa: PLR0913 - what differs between the gaps of posts
    scope: AuditScope,
    kind: GapKind,
    row: Row[Any],
    what: Message,
    remedy: Message,
    *,
    fillable: bool = True,
) -> Gap:
    """Return a gap of an archived post, to be filled through its address or the URL stored with it."""
    return scope.gap(
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


def previews(session: Session, scope: AuditScope) -> Iterator[Gap]:
    """Yield paid posts of which only the free preview is stored."""
    rows = select(Post.aid, Post.title, Post.published_on).where(
        Post.account_id == scope.account_id, IS_PREVIEW
    )
    for row in session.execute(rows.order_by(Post.published_on, Post.mid, Post.idx)):
        yield scope.gap(
            GapKind.PREVIEW,
            row.aid,
            Message("archive.audit.preview_only"),
            Message("archive.audit.remedy_preview"),
            fillable=False,
            day=row.published_on,
            title=row.title,
        )


def _without_page(scope: AuditScope) -> Select[Any]:
    best = _best_address()
    away = select(Absence.id).where(Absence.post_id == Post.id, Absence.returned_at.is_(None))
    gone = select(Address.id).where(IS_ITS_ADDRESS, Address.last_outcome.in_(AWAY))
    rows = select(*_POST, Post.source, best).outerjoin(best, true())
    rows = rows.where(Post.account_id == scope.account_id, Post.capture_id.is_(None))
    return rows.where(~away.exists(), ~gone.exists()).order_by(Post.published_on, Post.mid, Post.idx)


def _best_address() -> Any:
    """Return the address of a post with chksm, else any."""
    rows = select(Address.id.label("address_id"), *FETCH_STATE).where(IS_ITS_ADDRESS)
    return rows.order_by(Address.url.contains("chksm=").desc(), Address.id).limit(1).lateral()


def posts_without_images(session: Session, scope: AuditScope) -> Iterator[Gap]:
    """Yield posts whose current page shows images that are not archived."""
    for row in session.execute(_without_images(scope)):
        counts = {
            "archive.audit.images_never_asked": row.never,
            "archive.audit.images_refused": row.refused,
            "archive.audit.images_failed": row.failed,
            "archive.audit.images_expired": row.expired,
        }
        reasons = [Message(code, {"count": count}) for code, count in counts.items() if count]
        what = {"missing": row.missing, "shown": row.shown, "reasons": reasons}
        can_fetch = row.missing > row.expired
        remedy = Message("archive.audit.remedy_fetch_images")
        if not can_fetch:
            remedy = Message("archive.audit.remedy_expired_images", {"url": shlex.quote(row.post_url)})
        message = Message("archive.audit.images_missing", what)
        yield _gap_of_post(scope, GapKind.NO_IMAGES, row, message, remedy, fillable=can_fetch)


def _without_images(scope: AuditScope) -> Select[Any]:
    best = _best_address()
    counts = _image_counts(scope).subquery()
    rows = select(*_POST, counts, best)
    rows = rows.join(counts, counts.c.post_id == Post.id).outerjoin(best, true())
    return rows.order_by(Post.published_on, Post.mid, Post.idx)


def _image_counts(scope: AuditScope) -> Select[Any]:
    """Count by post the images its current page shows, and those missing by reason; each image once."""
    outcome, is_missing = Medium.last_outcome, Medium.file_id.is_(None)
    has_expired = func.coalesce(Medium.expires_at <= scope.now, False)
    is_expired = is_missing & ((Medium.url == "") | has_expired)

    def number(which: Any) -> Any:
        return func.count(Medium.id.distinct()).filter(which)

    return (
        select(
            PostMedium.post_id,
            func.count(Medium.id.distinct()).label("shown"),
            number(is_missing).label("missing"),
            number(is_expired).label("expired"),
            number(is_missing & ~is_expired & outcome.is_(None)).label("never"),
            number(is_missing & ~is_expired & (outcome == MediumOutcome.REFUSED)).label("refused"),
            number(is_missing & ~is_expired & (outcome == MediumOutcome.FAILED)).label("failed"),
        )
        .join(Medium, Medium.id == PostMedium.medium_id)
        .join(Post, (Post.id == PostMedium.post_id) & (Post.capture_id == PostMedium.capture_id))
        .where(Post.account_id == scope.account_id, Medium.type == MediumType.IMAGE)
        .group_by(PostMedium.post_id)
        .having(func.bool_or(is_missing))
    )


def unparsed_captures(session: Session, scope: AuditScope) -> Iterator[Gap]:
    """Yield captures that were stored a while ago and never parsed."""
    rows = select(Capture.id, Capture.requested_url, Capture.fetched_at)
    rows = rows.outerjoin(Address, Address.id == Capture.address_id).where(scope.addresses)
    rows = rows.join(UnparsedCapture, UnparsedCapture.capture_id == Capture.id)
    rows = rows.where(Capture.fetched_at < scope.now - PARSED_WITHIN)
    for id_, url, fetched_at in session.execute(rows.order_by(Capture.id)):
        yield scope.gap(
            GapKind.UNREAD,
            Message("archive.audit.capture", {"id": id_}),
            Message("archive.audit.not_parsed", {"url": url}),
            Message("archive.audit.remedy_parse"),
            fillable=True,
            day=shanghai_day(fetched_at),
        )
