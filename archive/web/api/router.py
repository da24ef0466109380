"""Which path answers what."""

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter

from archive.web.api.history import history_router
from archive.web.api.posts import posts_router
from archive.web.api.search import search_router
from archive.web.api.state import state_router
from archive.web.problems import PROBLEMS
from archive.web.readers import Readers

API = "/api/v1"


def api_router(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """All of them; `now` is an aware UTC instant."""
    router = APIRouter(prefix=API, tags=["api"], responses=PROBLEMS)
    for part in (posts_router, history_router, search_router):
        router.include_router(part(readers))
    router.include_router(state_router(readers, now))
    return router
