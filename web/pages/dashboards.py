"""Pages with charts and tables: an account's calendar, gaps and sources, the health of the archive."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from archive.audit import first_gaps
from archive.audit.gap import MAX_COUNTED
from archive.db.engine import Readers
from archive.db.settings import RequestSettings
from archive.domain.records import SHANGHAI
from archive.integrity.check import last_verified
from archive.reports import statistics, status
from archive.reports.source_coverage import PERIOD, delay_message, finds, needs, source_coverage
from archive.reports.statistics import Month, by_month
from archive.reports.status import unready
from archive.repository import accounts, incidents
from archive.repository.egress import list_egresses
from archive.repository.hash_chain import chain_heads
from archive.repository.sources import last_listed, source_statuses
from web.api.schemas import BizParam
from web.pages.render import add_page, render_page

SQUARE_SIZE, SQUARE_GAP = 10, 2  # of a day in the heat map, in units of its view box

HEAT_LEVELS = 4


@dataclass(frozen=True, slots=True)
class Square:
    """A day of the heat map; `level` is 0 (no post) to HEAT_LEVELS."""

    x: int
    y: int
    day: date
    count: int
    level: int


@dataclass(frozen=True, slots=True)
class GrowthMonth:
    """What a month added, the total at its end, and that as a share of the whole (0 to 1)."""

    month: date
    count: int
    total: int
    height: float


def heat_map(year: int, days: dict[date, int]) -> list[Square]:
    """Lay out the days of a year: one column per week, Monday on top."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    most = max((count for day, count in days.items() if day.year == year), default=0)
    every = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [_square(day, days.get(day, 0), most, first.weekday()) for day in every]


def _square(day: date, count: int, most: int, lead: int) -> Square:
    week = (day.timetuple().tm_yday - 1 + lead) // 7
    step = SQUARE_SIZE + SQUARE_GAP
    return Square(week * step, day.weekday() * step, day, count, _level(count, most))


def _level(count: int, most: int) -> int:
    """Return 1 to HEAT_LEVELS for any number of posts; the day with most has the highest level."""
    return -(-count * HEAT_LEVELS // most) if most else 0


def cumulate(months: Sequence[Month]) -> list[GrowthMonth]:
    """Sum up what months added; months without an addition are filled in, so that time goes evenly."""
    every = by_month({month.month: month.count for month in months})
    whole = sum(month.count for month in every) or 1
    totals = accumulate(month.count for month in every)
    return [
        GrowthMonth(month.month, month.count, total, total / whole)
        for month, total in zip(every, totals, strict=True)
    ]


MAX_SILENCES = 10  # shown of an account

_DELAYS = (
    "web.calendar.delay_10m",
    "web.calendar.delay_1h",
    "web.calendar.delay_6h",
    "web.calendar.delay_1d",
    "web.calendar.delay_7d",
    "web.calendar.delay_more",
)

Year = Annotated[int | None, Query(ge=2000, le=2200)]


def calendar_router(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """Return /accounts/BIZ/calendar; `now` gives an aware UTC instant."""
    router = APIRouter()

    def calendar(request: Request, biz: BizParam, year: Year = None) -> Response:
        with readers.session() as session:
            name = accounts.account_of(session, biz).name
            days = statistics.posts_by_day(session, biz)
            today = now().astimezone(SHANGHAI).date()
            values = _year_values(days, year, today) | _account_values(session, biz, days, today)
        return render_page(request, "calendar.html", biz=biz, name=name or biz, **values)

    add_page(router, "/accounts/{biz}/calendar", calendar)
    return router


def _year_values(days: dict[date, int], year: int | None, today: date) -> dict[str, Any]:
    with_posts = {day.year for day in days}
    years = sorted(with_posts.union(range(max(with_posts), today.year + 1)) if days else (), reverse=True)
    chosen = year or max(with_posts, default=today.year)
    of_year = {day: count for day, count in days.items() if day.year == chosen}
    return {
        "year": chosen,
        "years": years,
        "squares": heat_map(chosen, days),
        "of_year": of_year,
        "most_day": max(of_year, key=lambda day: (of_year[day], day), default=None),
    }


def _account_values(session: Session, biz: str, days: dict[date, int], today: date) -> dict[str, Any]:
    counts = statistics.delays(session, biz)
    return {
        "months": statistics.by_month(days, today),
        "silences": statistics.quiet_periods(list(days), MAX_SILENCES, today),
        "listed": last_listed(session, biz),
        "delays": list(zip(_DELAYS, counts, strict=True)) if any(counts) else [],
        "growth": cumulate(statistics.posts_archived(session, biz)),
    }


_RESOLVED_WITHIN = timedelta(days=30)  # problems that are over and still shown

_MAX_ROWS = 50  # of a table; the API has the rest


def health_router(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """Return /health; `now` gives an aware UTC instant."""
    router = APIRouter()

    def health(request: Request) -> Response:
        with readers.session() as session:
            return render_page(request, "health.html", now=now(), **_health_values(session, now()))

    add_page(router, "/health", health)
    return router


def _health_values(session: Session, now: datetime) -> dict[str, Any]:
    problems = incidents.open_incidents(session)
    shown = len(problems) + _MAX_ROWS  # so many of the latest have all that are shown
    recent = incidents.recent_incidents(session, now - _RESOLVED_WITHIN, shown)
    return {
        "reasons": unready(session, now),
        "problems": problems[:_MAX_ROWS],
        "resolved": [one for one in recent if one.closed_at is not None][:_MAX_ROWS],
        "sources": source_statuses(session)[:_MAX_ROWS],
        "egresses": list_egresses(session)[:_MAX_ROWS],
        "status": status.archive_status(session, now, RequestSettings.read().bare_a_day),
        "bytes_grown": cumulate(statistics.bytes_stored(session)),
        "verified": last_verified(session),
        "chains": chain_heads(session)[:_MAX_ROWS],
        "posts_grown": cumulate(statistics.posts_archived(session)),
    }


MAX_GAPS = 100  # shown of one kind; after the import of a dump every post lacks its page


def gaps_router(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """Return /accounts/BIZ/gaps; `now` gives an aware UTC instant."""
    router = APIRouter()

    def gaps(request: Request, biz: BizParam) -> Response:
        with readers.session() as session:
            account = accounts.account_of(session, biz)
            kinds = first_gaps(session, account.id, now(), MAX_GAPS)
        values = {"biz": biz, "name": account.name or biz, "kinds": kinds, "counted": MAX_COUNTED}
        return render_page(request, "gaps.html", **values)

    add_page(router, "/accounts/{biz}/gaps", gaps)
    return router


def coverage_router(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """Return /accounts/BIZ/sources; `now` gives an aware UTC instant."""
    router = APIRouter()

    def coverage(request: Request, biz: BizParam) -> Response:
        with readers.session() as session:
            name = accounts.account_of(session, biz).name
            found = source_coverage(session, biz, now())
        rows = [(one, delay_message(one.delay)) for one in found.sources]
        missing = [(kind, finds(kind), needs(kind)) for kind in found.missing]
        values = {"coverage": found, "rows": rows, "missing": missing, "days": PERIOD.days}
        return render_page(request, "sources.html", biz=biz, name=name or biz, **values)

    add_page(router, "/accounts/{biz}/sources", coverage)
    return router
