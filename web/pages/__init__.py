"""Which path shows what."""

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter, Request, Response

from archive.db.engine import Readers
from archive.storage.media_files import MediaFolder
from web.errors import json_problem_response
from web.pages.dashboards import calendar_router, gaps_router, health_router
from web.pages.files import files_router
from web.pages.lists import search_router, stream_router
from web.pages.posts import post_router, sources_router
from web.pages.render import page, static_router


def pages_router(readers: Readers, folder: MediaFolder, now: Callable[[], datetime]) -> APIRouter:
    """All pages and what they show; `now` is an aware UTC instant."""
    router = APIRouter(include_in_schema=False)
    for part in (
        stream_router(readers),
        calendar_router(readers, now),
        gaps_router(readers, now),
        search_router(readers),
        post_router(readers),
        sources_router(readers, folder),
        files_router(readers, folder),
        health_router(readers, now),
        static_router(),
    ):
        router.include_router(part)
    return router


_FOR_PROGRAMS = ("/api/", "/feeds/", "/openapi.json", "/inbox", "/metrics", "/livez", "/readyz")

_SAID_OTHERWISE = {422: 400}  # what people write into an address is bad input, not a bad document

_KNOWN = frozenset({400, 401, 404, 405, 421, 429, 500, 501, 503})

_SELF_EVIDENT = frozenset({"Not Found", "Method Not Allowed"})  # Starlette's own words


def say_as_suits(request: Request, status: int, detail: str, headers: dict[str, str]) -> Response:
    """A page where a page was asked for."""
    if request.url.path.startswith(_FOR_PROGRAMS):
        return json_problem_response(request, status, detail, headers)
    status = _SAID_OTHERWISE.get(status, status)
    heading = f"error_{status if status in _KNOWN else 400}"
    told = "" if detail in _SELF_EVIDENT else detail
    answer = page(request, "failure.html", status, heading=heading, detail=told)
    answer.headers.update(headers)
    answer.headers["Cache-Control"] = "no-store"
    return answer
