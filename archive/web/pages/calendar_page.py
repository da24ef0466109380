"""An account's calendar: when it published and when not, how soon that was archived, and the growth."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from archive import queries, statistics
from archive.record import SHANGHAI
from archive.web.api.shapes import Biz
from archive.web.pages.asked import add_page
from archive.web.pages.charts import grown, heat_map
from archive.web.pages.render import page
from archive.web.readers import Readers

SILENCES = 10  # shown
_DELAYS = ("delay_10m", "delay_1h", "delay_6h", "delay_1d", "delay_7d", "delay_more")

Year = Annotated[int | None, Query(ge=2000, le=2200)]


def calendar_router(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """/accounts/BIZ/calendar."""
    router = APIRouter()

    def calendar(request: Request, biz: Biz, year: Year = None) -> Response:
        with readers.session() as session:
            name = queries.account_of(session, biz).name
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
