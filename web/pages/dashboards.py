"""Where what stands in a picture. Pure: templates draw it, with its numbers in a table beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate, groupby
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from archive.audit import find_gaps
from archive.audit.gap import Gap, GapKind
from archive.db.engine import Readers
from archive.domain.records import SHANGHAI
from archive.integrity.check import last_verified
from archive.reports import statistics, status
from archive.reports.statistics import Month, by_month
from archive.reports.status import unready
from archive.repository import accounts, incidents
from archive.repository.egress import list_egresses
from archive.repository.hash_chain import chain_heads
from archive.repository.sources import source_statuses
from web.api.schemas import Biz
from web.pages.render import add_page, page

SQUARE, GAP = 10, 2  # of a day, in units of the drawing

LEVELS = 4


@dataclass(frozen=True, slots=True)
class Square:
    """A day of the heat map; `level` is 0 (no post) to LEVELS."""

    x: int
    y: int
    day: date
    count: int
    level: int


@dataclass(frozen=True, slots=True)
class Grown:
    """A month's addition, the sum until then, and how much of the whole that is (0 to 1)."""

    month: date
    count: int
    total: int
    height: float


def heat_map(year: int, days: dict[date, int]) -> list[Square]:
    """The days of a year, a week a column, Monday on top."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    most = max((count for day, count in days.items() if day.year == year), default=0)
    every = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [_square(day, days.get(day, 0), most, first.weekday()) for day in every]


def _square(day: date, count: int, most: int, lead: int) -> Square:
    week = (day.timetuple().tm_yday - 1 + lead) // 7
    step = SQUARE + GAP
    return Square(week * step, day.weekday() * step, day, count, _level(count, most))


def _level(count: int, most: int) -> int:
    """Any post at all is seen; the day with most has the last level."""
    return -(-count * LEVELS // most) if most else 0


def grown(months: Sequence[Month]) -> list[Grown]:
    """What months added, summed up, also in months without anything: time goes evenly."""
    every = by_month({month.month: month.count for month in months})
    whole = sum(month.count for month in every) or 1
    totals = accumulate(month.count for month in every)
    return [
        Grown(month.month, month.count, total, total / whole)
        for month, total in zip(every, totals, strict=True)
    ]


SILENCES = 10  # shown

_DELAYS = ("delay_10m", "delay_1h", "delay_6h", "delay_1d", "delay_7d", "delay_more")

Year = Annotated[int | None, Query(ge=2000, le=2200)]


def calendar_router(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """/accounts/BIZ/calendar."""
    router = APIRouter()

    def calendar(request: Request, biz: Biz, year: Year = None) -> Response:
        with readers.session() as session:
            name = accounts.account_of(session, biz).name
            days = statistics.posts_by_day(session, biz)
            values = _of_year(days, year, now().astimezone(SHANGHAI).date()) | _of_all(session, biz, days)
        return page(request, "calendar.html", biz=biz, name=name or biz, **values)

    add_page(router, "/accounts/{biz}/calendar", calendar)
    return router


def _of_year(days: dict[date, int], year: int | None, today: date) -> dict[str, Any]:
    years = sorted({day.year for day in days}, reverse=True)
    chosen = year or (years[0] if years else today.year)
    of_year = {day: count for day, count in days.items() if day.year == chosen}
    return {
        "year": chosen,
        "years": years,
        "squares": heat_map(chosen, days),
        "of_year": of_year,
        "most_day": max(of_year, key=lambda day: (of_year[day], day), default=None),
    }


def _of_all(session: Session, biz: str, days: dict[date, int]) -> dict[str, Any]:
    counts = statistics.delays(session, biz)
    return {
        "months": statistics.by_month(days),
        "silences": statistics.silences(list(days), SILENCES),
        "delays": list(zip(_DELAYS, counts, strict=True)) if any(counts) else [],
        "growth": grown(statistics.posts_archived(session, biz)),
    }


RECENT = timedelta(days=30)

MOST_INCIDENTS = 50  # rows of a table: what is more is in the API


def health_router(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """/health."""
    router = APIRouter()

    def health(request: Request) -> Response:
        with readers.session() as session:
            return page(request, "health.html", now=now(), **_told(session, now()))

    add_page(router, "/health", health)
    return router


def _told(session: Session, now: datetime) -> dict[str, Any]:
    lately = incidents.recent_incidents(session, now - RECENT)
    return {
        "reasons": [str(reason) for reason in unready(session, now)],
        "wrong": incidents.open_incidents(session)[:MOST_INCIDENTS],
        "over": [one for one in lately if one.closed_at is not None][:MOST_INCIDENTS],
        "sources": source_statuses(session)[:MOST_INCIDENTS],
        "lines": list_egresses(session)[:MOST_INCIDENTS],
        "status": status.archive_status(session, now),
        "bytes_grown": grown(statistics.bytes_stored(session)),
        "verified": last_verified(session),
        "chains": chain_heads(session)[:MOST_INCIDENTS],
        "posts_grown": grown(statistics.posts_archived(session)),
    }


MOST_GAPS = 100  # shown of a kind; an imported dump lacks the page of every post


def gaps_router(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """/accounts/BIZ/gaps."""
    router = APIRouter()

    def gaps(request: Request, biz: Biz) -> Response:
        with readers.session() as session:
            account = accounts.account_of(session, biz)
            kinds = _by_kind(find_gaps(session, account.id, now()))
        return page(request, "gaps.html", biz=biz, name=account.name or biz, kinds=kinds)

    add_page(router, "/accounts/{biz}/gaps", gaps)
    return router


def _by_kind(gaps: Sequence[Gap]) -> list[tuple[GapKind, int, list[Gap]]]:
    kinds = [(kind, list(found)) for kind, found in groupby(gaps, lambda gap: gap.kind)]
    return [(kind, len(found), found[:MOST_GAPS]) for kind, found in kinds]
