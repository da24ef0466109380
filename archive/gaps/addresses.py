"""Posts whose address is known and that are lacking, and how far asking for them has come."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, func, select, true
from sqlalchemy.orm import Session

from archive.gaps.gap import Gap, GapKind
from archive.gaps.whose import Whose, day_of
from archive.models import AddressRow, Post, SightingRow
from archive.of_post import IS_ITS_ADDRESS
from archive.record import SHANGHAI
from archive.vocabulary import BLOCKING, Outcome
from archive.work_list import NO_ANSWER, NOT_DRAWN

_UNANSWERED = (*BLOCKING, NO_ANSWER, Outcome.EXPIRED_LINK)
_FETCH = "`mparchive audit --fill` fetches it"
_REMEDIES = {
    Outcome.EXPIRED_LINK: "this link works no more; `mparchive backfill` another address of the post",
    Outcome.UNKNOWN: "`mparchive audit --fill` asks once more; what stays so is of a new sort: report it",
    NOT_DRAWN: "have Chromium installed, then `mparchive audit --fill`",
}
_KINDS = {Outcome.UNKNOWN: GapKind.UNKNOWN, NOT_DRAWN: GapKind.NOT_DRAWN}


def lacking(session: Session, its: Whose) -> Iterator[Gap]:
    """A gap for each; those that the server said are away, or no posts, are none."""
    for row in session.execute(_rows(its)):
        yield its.gap(
            _KINDS.get(row.last_outcome, GapKind.MENTIONED),
            row.aid or row.url,
            f"{_seen(row)}; {state(row, its.now)}",
            _REMEDIES.get(row.last_outcome, _FETCH),
            fillable=row.last_outcome != Outcome.EXPIRED_LINK,
            day=row.published_on or _listed_day(row.listed_at),
            title=row.post_title or row.title or "",
            address_id=row.id,
        )


def _rows(its: Whose) -> Select[Any]:
    told = (
        select(
            func.string_agg(SightingRow.source.distinct(), ", ").label("sources"),
            func.max(SightingRow.title).label("title"),
            func.min(SightingRow.first_seen_at).label("seen_at"),
            func.max(SightingRow.listing["published_at"].astext).label("listed_at"),
        )
        .where(SightingRow.address_id == AddressRow.id)
        .lateral()
    )
    columns = (AddressRow.id, AddressRow.aid, AddressRow.url, *STATE, *told.c)
    rows = select(*columns, Post.published_on, Post.title.label("post_title")).outerjoin(Post, IS_ITS_ADDRESS)
    rows = rows.join(told, true())
    open_ = AddressRow.last_outcome.is_(None) | AddressRow.last_outcome.in_(_UNANSWERED)
    wanted = AddressRow.last_outcome.in_(list(_KINDS)) | (open_ & Post.id.is_(None))
    return rows.where(its.addresses, wanted).order_by(AddressRow.id)


STATE = (AddressRow.last_outcome, AddressRow.last_reason, AddressRow.attempts, AddressRow.next_fetch_at)


def state(row: Row[Any], now: datetime) -> str:
    """How far asking an address has come, by the columns of STATE."""
    if row.last_outcome == Outcome.EXPIRED_LINK:
        return "the link has expired"
    if row.last_outcome is None:
        return "never asked"
    reason = f"{row.last_outcome} ({row.last_reason})" if row.last_reason else row.last_outcome
    if row.next_fetch_at is None:
        return f"given up after {row.attempts} tries: {reason}"
    when = row.next_fetch_at.astimezone(SHANGHAI)
    again = "due" if row.next_fetch_at <= now else f"asked again {when:%Y-%m-%d %H:%M}"
    return f"{again}, after {row.attempts} tries: {reason}"


def _seen(row: Row[Any]) -> str:
    return f"seen in {row.sources} on {day_of(row.seen_at)}" if row.sources else "noted without a source"


def _listed_day(published_at: str | None) -> date | None:
    with suppress(ValueError, TypeError):
        return day_of(datetime.fromisoformat(published_at or ""))
    return None
