"""Pages for people: which path shows what, and how failures are shown."""

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter, Request, Response

from archive.db.engine import Readers
from archive.domain.messages import Message
from archive.storage.media_files import MediaFolder
from web.errors import problem_response
from web.http_cache import NO_STORE
from web.pages.dashboards import calendar_router, compare_router, coverage_router, gaps_router, health_router
from web.pages.files import files_router, sources_router
from web.pages.lists import changes_page_router, stream_router
from web.pages.login import login_router
from web.pages.posts import post_router
from web.pages.render import render_page, static_router
from web.pages.search import address_router, search_page_router
from web.pages.versions import versions_router


def pages_router(
    readers: Readers,
    folder: MediaFolder,
    now: Callable[[], datetime],
    origin: str = "",
    *,
    is_open: bool = True,
) -> APIRouter:
    """Return all pages and the files they show; `now` gives an aware UTC instant.

    `is_open`: everybody may read, so nothing is shown that is for the operator only.
    """
    router = APIRouter(include_in_schema=False)
    for part in (
        stream_router(readers),
        search_page_router(readers),
        post_router(readers, origin),
        calendar_router(readers, now),
        compare_router(readers, now),
        gaps_router(readers, now),
        coverage_router(readers, now),
        changes_page_router(readers),
        address_router(readers),
        versions_router(readers, origin),
        sources_router(readers, folder),
        files_router(readers, folder),
        health_router(readers, now),
        login_router(is_open=is_open),
        static_router(),
    ):
        router.include_router(part)
    return router


_FOR_PROGRAMS = ("/api/", "/feeds/", "/openapi.json", "/inbox", "/metrics", "/livez", "/readyz")

_PAGE_STATUS = {422: 400}  # a person who edits an address sends a bad request, not a bad document

_WITH_HEADING = frozenset({400, 401, 404, 405, 421, 429, 500, 501, 503})

_CLEAR_FROM_HEADING = frozenset({"web.request.not_found", "web.request.method_not_allowed"})


def error_response(request: Request, status: int, detail: Message, headers: dict[str, str]) -> Response:
    """Answer with a page where a page was asked for, and with a problem document elsewhere."""
    if request.url.path.startswith(_FOR_PROGRAMS):
        return problem_response(request, status, detail, headers)
    status = _PAGE_STATUS.get(status, status)
    heading = f"web.failure.{status if status in _WITH_HEADING else 400}"
    shown = None if detail.code in _CLEAR_FROM_HEADING else detail
    answer = render_page(request, "failure.html", status, heading=heading, detail=shown)
    answer.headers.update(headers)
    answer.headers["Cache-Control"] = NO_STORE
    return answer
