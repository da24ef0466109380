"""Which path shows what."""

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter

from archive.media.folder import MediaFolder
from archive.web.pages.calendar_page import calendar_router
from archive.web.pages.files import files_router
from archive.web.pages.gaps_page import gaps_router
from archive.web.pages.health_page import health_router
from archive.web.pages.post_pages import post_router
from archive.web.pages.post_sources import sources_router
from archive.web.pages.search_page import search_router
from archive.web.pages.static import static_router
from archive.web.pages.stream_page import stream_router
from archive.web.readers import Readers


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
