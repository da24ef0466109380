"""How the archive fares: what is wrong, what was asked, what is due, and how much there is."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from archive import incidents, queries, statistics
from archive.egresses import egresses
from archive.integrity.chain import heads
from archive.integrity.runs import last_verified
from archive.readiness import unready
from archive.watching import watched
from archive.web.pages.asked import add_page
from archive.web.pages.charts import grown
from archive.web.pages.render import page
from archive.web.readers import Readers

RECENT = timedelta(days=30)
MOST = 50  # rows of a table: what is more is in the API


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
        "reasons": unready(session, now),
        "wrong": incidents.open_incidents(session)[:MOST],
        "over": [one for one in lately if one.closed_at is not None][:MOST],
        "sources": watched(session)[:MOST],
        "lines": egresses(session)[:MOST],
        "status": queries.archive_status(session, now),
        "bytes_grown": grown(statistics.bytes_kept(session)),
        "verified": last_verified(session),
        "chains": heads(session)[:MOST],
        "posts_grown": grown(statistics.posts_archived(session)),
    }
