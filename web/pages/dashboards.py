"""Pages with charts and tables: an account's calendar, gaps and sources, the health of the archive."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from sqlalchemy.orm import Session

from archive.audit import first_gaps
from archive.audit.gap import MAX_COUNTED
from archive.db.engine import Readers
from archive.db.settings import RequestSettings
from archive.domain.errors import ArchiveError
from archive.domain.monitoring import SourceStatus
from archive.domain.records import SHANGHAI
from archive.domain.text import storable
from archive.integrity.check import last_verified
from archive.reports import statistics, status
from archive.reports.source_coverage import PERIOD, delay_message, finds, needs, source_coverage
from archive.reports.statistics import Month, by_month, period_format
from archive.reports.status import unready, unwatched_accounts
from archive.repository import accounts, incidents
from archive.repository.egress import list_egresses
from archive.repository.hash_chain import chain_heads
from archive.repository.sources import last_listed, source_statuses
from web.api.schemas import BizParam
from web.pages.render import MAX_NAME, OptionalSince, OptionalUntil, PageContext, add_page, render_page

SQUARE_SIZE, SQUARE_GAP = 10, 2  # of a day in the heat map, in units of its view box

HEAT_LEVELS = 4


@dataclass(frozen=True, slots=True)
class Square:
    """A day of the heat map; `level` is 0 (no post) to HEAT_LEVELS. `is_silent`: no post has followed yet."""

    x: int
    y: int
    day: date
    count: int
    level: int
    is_silent: bool = False


@dataclass(frozen=True, slots=True)
class GrowthMonth:
    """What a month added, the total at its end, and that as a share of the whole (0 to 1)."""

    month: date
    count: int
    total: int
    height: float


def heat_map(year: int, days: dict[date, int], today: date | None = None) -> list[Square]:
    """Lay out the days of a year: one column per week, Monday on top.

    The days from the last one with posts until `today`, included, are silent.
    """
    first, last = date(year, 1, 1), date(year, 12, 31)
    most = max((count for day, count in days.items() if day.year == year), default=0)
    lead, step = first.weekday(), SQUARE_SIZE + SQUARE_GAP
    since, until = max(days, default=date.max), today or date.min
    squares = []
    for number in range((last - first).days + 1):
        day, (week, weekday) = first + timedelta(days=number), divmod(lead + number, 7)
        count = days.get(day, 0)
        level = _level(count, most) if count else 0
        squares.append(Square(week * step, weekday * step, day, count, level, since < day <= until))
    return squares


def _level(count: int, most: int) -> int:
    """Return 1 to HEAT_LEVELS for any number of posts; the day with most has the highest level."""
    return -(-count * HEAT_LEVELS // most) if most else 0


def drawn_squares(
    context: PageContext, squares: Sequence[Square], today: date
) -> list[tuple[date, int, str, str, int, int]]:
    """Return of each square its day, count, words, CSS classes and place; a template takes long for each."""
    words = {count: context.words("web.calendar.day", count) for count in {one.count for one in squares}}
    return [
        (
            one.day,
            one.count,
            words[one.count].format(day=one.day, n=one.count),
            f"h{one.level}{' silent' if one.is_silent else ' future' if one.day > today else ''}",
            one.x,
            one.y,
        )
        for one in squares
    ]


def cumulate(months: Sequence[Month], today: date | None = None) -> list[GrowthMonth]:
    """Sum up what months added, until `today`; months without an addition are filled in: time goes evenly."""
    every = by_month({month.month: month.count for month in months}, today)
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
        values["squares"] = drawn_squares(PageContext.of(request), values["squares"], today)
        return render_page(request, "calendar.html", biz=biz, name=name or biz, **values)

    add_page(router, "/accounts/{biz}/calendar", calendar)
    return router


def _year_values(days: dict[date, int], year: int | None, today: date) -> dict[str, Any]:
    with_posts = {day.year for day in days}
    years = sorted(with_posts.union(range(max(with_posts), today.year + 1)) if days else (), reverse=True)
    chosen = year or max(with_posts, default=today.year)
    of_year = {day: count for day, count in days.items() if day.year == chosen}
    ongoing = [one for one in statistics.quiet_periods(list(days)[-1:], 1, today) if one.days]
    return {
        "today": today,
        "silence": next(iter(ongoing), None),
        "year": chosen,
        "years": years,
        "squares": heat_map(chosen, days, today),
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
        "growth": cumulate(statistics.posts_archived(session, biz), today),
    }


MAX_COMPARED = 4  # accounts, each with a colour of its own

ComparedAccounts = Annotated[list[Annotated[str, Field(max_length=MAX_NAME)]], Query()]


class TooManyAccountsError(ArchiveError):
    """More accounts are to be compared than have colours."""


def compare_router(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """Return /compare?account=…&account=…; `now` gives an aware UTC instant."""
    router = APIRouter()

    def compare(
        request: Request,
        account: ComparedAccounts = [],  # noqa: B006 - FastAPI makes a list of each request
        since: OptionalSince = None,
        until: OptionalUntil = None,
    ) -> Response:
        context = PageContext.of(request)
        chosen = list(dict.fromkeys(map(storable, filter(None, account))))
        if len(chosen) > MAX_COMPARED:
            raise TooManyAccountsError("web.compare.too_many", most=MAX_COMPARED)
        with readers.session() as session:
            found = [accounts.account_of(session, biz) for biz in chosen]
            days = [statistics.posts_by_day(session, biz) for biz in chosen]
            names = accounts.account_names(session)
        within = [
            {day: count for day, count in one.items() if (since or day) <= day <= (until or day)}
            for one in days
        ]
        today = min(now().astimezone(SHANGHAI).date(), until or date.max)
        periods = counted_together(within, today)
        rows = [
            (
                period,
                [
                    (count, context.link("accounts", biz, since=period, until=period))
                    for biz, count in zip(chosen, counts, strict=True)
                ],
            )
            for period, counts in periods
        ]
        values = {"chosen": chosen, "rows": rows, "since": since, "until": until, "accounts": names}
        values |= {"names": [one.name or one.biz for one in found], "most_compared": MAX_COMPARED}
        values["totals"] = [sum(one.values()) for one in within]
        return render_page(request, "compare.html", **values)

    add_page(router, "/compare", compare)
    return router


def counted_together(accounts_days: Sequence[dict[date, int]], today: date) -> list[tuple[str, list[int]]]:
    """Count the posts of several accounts by month, or by year where they are of many; first to last.

    Each period has a number for each account, 0 where it had no post. `today` ends the last one.
    """
    together: dict[date, int] = {}
    for days in accounts_days:
        together |= days
    months = by_month(together, today)
    form = period_format(months)
    counts = [Counter[str]() for _ in accounts_days]
    for counted, days in zip(counts, accounts_days, strict=True):
        for day, count in days.items():
            counted[day.strftime(form)] += count
    periods = dict.fromkeys(one.month.strftime(form) for one in months)
    return [(period, [counted[period] for counted in counts]) for period in periods]


_RESOLVED_WITHIN = timedelta(days=30)  # problems that are over and still shown

_MAX_ROWS = 50  # of a table; the API has the rest

_SHOWN_AS_PROBLEM = "archive.status.incident"  # a reason that the table of problems has as well


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
    today = now.astimezone(SHANGHAI).date()
    not_watched = unwatched_accounts(session)
    found = status.archive_status(session, now, RequestSettings.read().bare_a_day, not_watched)
    sources = source_statuses(session)
    reasons = unready(session, now, problems, not_watched)
    return {
        "reasons": [one for one in reasons if one.code != _SHOWN_AS_PROBLEM] or reasons,
        "names": {one["biz"]: one["name"] for one in found.accounts},
        "watched": watched_accounts(found.accounts, sources)[:_MAX_ROWS],
        "problems": problems[:_MAX_ROWS],
        "resolved": [one for one in recent if one.closed_at is not None][:_MAX_ROWS],
        "sources": sources[:_MAX_ROWS],
        "egresses": list_egresses(session)[:_MAX_ROWS],
        "status": found,
        "bytes_grown": cumulate(statistics.bytes_stored(session), today),
        "verified": last_verified(session),
        "chains": chain_heads(session)[:_MAX_ROWS],
        "posts_grown": cumulate(statistics.posts_archived(session), today),
    }


@dataclass(frozen=True, slots=True)
class WatchedAccount:
    """An account with the sources that are asked for its posts; none of them watches it where there are none.

    `last_good_at` is the latest answer of any of them, `next_try_at` the next time one is asked; aware UTC.
    """

    biz: str
    name: str
    sources: Sequence[SourceStatus]
    last_good_at: datetime | None
    next_try_at: datetime | None


def watched_accounts(
    accounts: Sequence[Mapping[str, Any]], sources: Sequence[SourceStatus]
) -> list[WatchedAccount]:
    """Return the accounts with their sources, those first whose sources had no good answer for longest."""
    by_account: dict[str, list[SourceStatus]] = {str(one["biz"]): [] for one in accounts}
    names = {str(one["biz"]): str(one["name"]) for one in accounts}
    for source in sources:
        by_account.setdefault(source.biz, []).append(source)
        names.setdefault(source.biz, source.account)
    found = [
        WatchedAccount(
            biz,
            names[biz],
            own,
            max((one.last_good_at for one in own if one.last_good_at), default=None),
            min((one.next_try_at for one in own if one.next_try_at), default=None),
        )
        for biz, own in by_account.items()
    ]
    return sorted(found, key=lambda one: one.last_good_at.timestamp() if one.last_good_at else 0.0)


MAX_GAPS = 30  # shown of one kind; after the import of a dump every post lacks its page


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
