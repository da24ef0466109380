"""Find pages that are missing: of posts, of addresses that gave none; and the images that posts lack."""

import shlex
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, Subquery, case, func, select, true, union_all
from sqlalchemy.orm import Session

from archive.audit.gap import FETCH, AuditScope, Gap, GapKind, shanghai_day
from archive.db.models import (
    Absence,
    Address,
    Capture,
    Medium,
    Post,
    PostMedium,
    Sighting,
    UnparsedCapture,
)
from archive.domain.messages import Message
from archive.domain.outcomes import (
    AWAY,
    BLOCKING,
    NO_ANSWER,
    NOT_RENDERED,
    MediumOutcome,
    MediumType,
    Outcome,
)
from archive.repository.post_queries import IS_ITS_ADDRESS, IS_PREVIEW

_POST = (Post.aid.label("post_aid"), Post.url.label("post_url"), Post.title, Post.published_on)

_OLDEST_FIRST = (Post.published_on, Post.mid, Post.idx)

PARSED_WITHIN = timedelta(hours=1)  # of being stored; after that, the process that stored it was killed


def posts_without_page(session: Session, scope: AuditScope) -> Iterator[Gap]:
    """Yield posts of which only the text is known, as from a dump, and that are not unavailable by now."""
    rows = scope.execute(session, _without_page).all()
    scope.note_omitted((GapKind.NO_PAGE, row.number) for row in rows)
    for row in rows:
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
    for row in scope.execute(session, _previews):
        yield scope.gap(
            GapKind.PREVIEW,
            row.aid,
            Message("archive.audit.preview_only"),
            Message("archive.audit.remedy_preview"),
            fillable=False,
            day=row.published_on,
            title=row.title,
        )


def _previews(scope: AuditScope) -> Select[*tuple[Any, ...]]:
    rows = select(Post.aid, Post.title, Post.published_on)
    return rows.where(Post.account_id == scope.account_id, IS_PREVIEW).order_by(*_OLDEST_FIRST)


def _without_page(scope: AuditScope) -> Select[*tuple[Any, ...]]:
    best = _best_address()
    away = select(Absence.id).where(Absence.post_id == Post.id, Absence.returned_at.is_(None))
    gone = select(Address.id).where(IS_ITS_ADDRESS, Address.last_outcome.in_(AWAY))
    lacking = select(Post.id).where(Post.account_id == scope.account_id, Post.capture_id.is_(None))
    chosen = _first_posts(scope, lacking.where(~away.exists(), ~gone.exists()))
    rows = select(*_POST, Post.source, chosen.c.number, best).join(chosen, chosen.c.id == Post.id)
    return rows.outerjoin(best, true()).order_by(*_OLDEST_FIRST)


def _first_posts(scope: AuditScope, posts: Select[int]) -> Subquery:
    """Select the ids of the oldest of some posts, with the number of those counted."""
    counted = posts.add_columns(*_OLDEST_FIRST).order_by(*_OLDEST_FIRST).limit(scope.counted).subquery()
    rows = select(counted.c.id, func.count().over().label("number"))
    oldest = (counted.c.published_on, counted.c.mid, counted.c.idx)
    return rows.order_by(*oldest).limit(scope.most).subquery()


def _best_address() -> Any:
    """Return the address of a post with chksm, else any."""
    rows = select(Address.id.label("address_id"), *FETCH_STATE).where(IS_ITS_ADDRESS)
    return rows.order_by(Address.url.contains("chksm=").desc(), Address.id).limit(1).lateral()


def posts_without_images(session: Session, scope: AuditScope) -> Iterator[Gap]:
    """Yield posts whose current page shows images that are not archived."""
    rows = scope.execute(session, _without_images).all()
    scope.note_omitted((GapKind.NO_IMAGES, row.number) for row in rows)
    for row in rows:
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


def _without_images(scope: AuditScope) -> Select[*tuple[Any, ...]]:
    lacking = select(PostMedium.id).join(Medium, Medium.id == PostMedium.medium_id)
    lacking = lacking.where(_IS_SHOWN_IMAGE, Medium.file_id.is_(None))
    posts = select(Post.id).where(Post.account_id == scope.account_id, lacking.exists())
    chosen = _first_posts(scope, posts)
    best, counts = _best_address(), _image_counts(scope)
    rows = select(*_POST, chosen.c.number, counts, best).join(chosen, chosen.c.id == Post.id)
    return rows.join(counts, true()).outerjoin(best, true()).order_by(*_OLDEST_FIRST)


_IS_SHOWN_IMAGE = (
    (PostMedium.post_id == Post.id)
    & (PostMedium.capture_id == Post.capture_id)
    & (Medium.type == MediumType.IMAGE)
)


def _image_counts(scope: AuditScope) -> Any:
    """Count the images that the current page of a post shows, and those missing by reason; each once."""
    outcome, is_missing = Medium.last_outcome, Medium.file_id.is_(None)
    has_expired = func.coalesce(Medium.expires_at <= scope.now, False)
    is_expired = is_missing & ((Medium.url == "") | has_expired)

    def number(which: Any) -> Any:
        return func.count(Medium.id.distinct()).filter(which)

    return (
        select(
            func.count(Medium.id.distinct()).label("shown"),
            number(is_missing).label("missing"),
            number(is_expired).label("expired"),
            number(is_missing & ~is_expired & outcome.is_(None)).label("never"),
            number(is_missing & ~is_expired & (outcome == MediumOutcome.REFUSED)).label("refused"),
            number(is_missing & ~is_expired & (outcome == MediumOutcome.FAILED)).label("failed"),
        )
        .select_from(PostMedium)
        .join(Medium, Medium.id == PostMedium.medium_id)
        .where(_IS_SHOWN_IMAGE)
        .correlate(Post)
        .lateral()
    )


def unparsed_captures(session: Session, scope: AuditScope) -> Iterator[Gap]:
    """Yield captures that were stored a while ago and never parsed."""
    for id_, url, fetched_at in scope.execute(session, _unparsed):
        yield scope.gap(
            GapKind.UNREAD,
            Message("archive.audit.capture", {"id": id_}),
            Message("archive.audit.not_parsed", {"url": url}),
            Message("archive.audit.remedy_parse"),
            fillable=True,
            day=shanghai_day(fetched_at),
        )


def _unparsed(scope: AuditScope) -> Select[*tuple[Any, ...]]:
    rows = select(Capture.id, Capture.requested_url, Capture.fetched_at)
    rows = rows.outerjoin(Address, Address.id == Capture.address_id).where(scope.addresses)
    rows = rows.join(UnparsedCapture, UnparsedCapture.capture_id == Capture.id)
    return rows.where(Capture.fetched_at < scope.now - PARSED_WITHIN).order_by(Capture.id)


_UNANSWERED = (*BLOCKING, NO_ANSWER, Outcome.EXPIRED_LINK)

_REMEDIES = {
    Outcome.EXPIRED_LINK: Message("archive.audit.remedy_other_address"),
    Outcome.UNKNOWN: Message("archive.audit.remedy_unknown"),
    NOT_RENDERED: Message("archive.audit.remedy_chromium"),
}

_KINDS = {Outcome.UNKNOWN: GapKind.UNKNOWN, NOT_RENDERED: GapKind.NOT_RENDERED}


def unanswered_addresses(session: Session, scope: AuditScope) -> Iterator[Gap]:
    """Yield addresses without a post, except those that the server said are unavailable or no posts."""
    rows = scope.execute(session, _addresses).all()
    kinds = [_KINDS.get(row.last_outcome, GapKind.MENTIONED) for row in rows]
    scope.note_omitted((kind, row.number) for kind, row in zip(kinds, rows, strict=True))
    for kind, row in zip(kinds, rows, strict=True):
        yield scope.gap(
            kind,
            row.aid or row.url,
            _sightings(row, scope.now),
            _REMEDIES.get(row.last_outcome, FETCH),
            fillable=row.last_outcome != Outcome.EXPIRED_LINK,
            day=row.published_on or _listed_day(row.listed_at),
            title=row.post_title or row.title or "",
            address_id=row.id,
        )


def _addresses(scope: AuditScope) -> Select[*tuple[Any, ...]]:
    seen = (
        select(
            func.array_agg(Sighting.source.distinct()).label("sources"),
            func.max(Sighting.title).label("title"),
            func.min(Sighting.first_seen_at).label("seen_at"),
            func.max(Sighting.listing["published_at"].astext).label("listed_at"),
        )
        .where(Sighting.address_id == Address.id)
        .lateral()
    )
    first = _first_addresses(scope)
    columns = (Address.id, Address.aid, Address.url, *FETCH_STATE, first.c.number, *seen.c)
    rows = select(*columns, Post.published_on, Post.title.label("post_title")).outerjoin(Post, IS_ITS_ADDRESS)
    rows = rows.join(first, first.c.id == Address.id).join(seen, true())
    return rows.order_by(Address.id)


def _first_addresses(scope: AuditScope) -> Subquery:
    """Select the ids of the addresses, the first of each kind of gap, with the number of those counted."""
    archived = select(Post.id).where(IS_ITS_ADDRESS, Post.account_id == scope.account_id)
    open_ = Address.last_outcome.is_(None) | Address.last_outcome.in_(_UNANSWERED)
    kind = case({outcome: str(kind) for outcome, kind in _KINDS.items()}, value=Address.last_outcome)
    wanted = [
        select(Address.id, kind.label("kind"))
        .where(scope.addresses, condition)
        .limit(scope.counted)
        .subquery()
        for condition in (Address.last_outcome.in_(list(_KINDS)), open_ & ~archived.exists())
    ]
    found = union_all(*map(select, wanted)).subquery()
    place = func.row_number().over(partition_by=found.c.kind, order_by=found.c.id).label("place")
    number = func.count().over(partition_by=found.c.kind).label("number")
    ranked = select(found.c.id, place, number).subquery()
    rows = select(ranked.c.id, ranked.c.number)
    return (rows if scope.most is None else rows.where(ranked.c.place <= scope.most)).subquery()


FETCH_STATE = (
    Address.last_outcome,
    Address.last_reason,
    Address.attempts,
    Address.next_fetch_at,
)


def fetch_state(row: Row[Any], now: datetime) -> Message:
    """Return how far fetching an address has come, by the columns of FETCH_STATE; `now` is aware UTC."""
    if row.last_outcome == Outcome.EXPIRED_LINK:
        return Message("archive.audit.state_expired")
    if row.last_outcome is None:
        return Message("archive.audit.state_never_fetched")
    params: dict[str, Any] = {"n": row.attempts, "reason": _fetch_reason(row)}
    if row.next_fetch_at is None:
        return Message("archive.audit.state_given_up", params)
    if row.next_fetch_at <= now:
        return Message("archive.audit.state_due", params)
    return Message("archive.audit.state_waiting", {**params, "when": row.next_fetch_at})


def _fetch_reason(row: Row[Any]) -> Message:
    outcome = Message(f"archive.outcome.{row.last_outcome}")
    if not row.last_reason:
        return outcome
    params = {"outcome": outcome, "reason": Message.load(row.last_reason)}
    return Message("archive.audit.outcome_with_reason", params)


def _sightings(row: Row[Any], now: datetime) -> Message:
    state = fetch_state(row, now)
    if not row.sources:
        return Message("archive.audit.never_seen", {"state": state})
    params = {"sources": row.sources, "day": str(shanghai_day(row.seen_at)), "state": state}
    return Message("archive.audit.seen", params)


def _listed_day(published_at: str | None) -> date | None:
    with suppress(ValueError, TypeError):
        return shanghai_day(datetime.fromisoformat(published_at or ""))
    return None
