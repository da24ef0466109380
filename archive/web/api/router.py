"""Which path answers what."""

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter

from archive.web.api.history import history_router
from archive.web.api.posts import posts_router
from archive.web.api.shapes import Problem
from archive.web.api.state import state_router
from archive.web.readers import Readers

API = "/api/v1"
_PROBLEMS = {
    400: "A cursor or a search that cannot be read",
    401: "The token is missing or wrong",
    404: "There is no such thing in the archive",
    422: "A parameter is not what it should be",
    429: "Too many requests; Retry-After says when to come back",
    500: "Something stored is damaged; `mparchive verify` names it",
    503: "The database is away, or all hands are busy",
}


def api_router(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """All of them; `now` is an aware UTC instant."""
    answers = {status: {"model": Problem, "description": words} for status, words in _PROBLEMS.items()}
    router = APIRouter(prefix=API, tags=["api"], responses=answers)  # type: ignore[arg-type]  # invariant dict
    for part in (posts_router(readers), history_router(readers), state_router(readers, now)):
        router.include_router(part)
    return router
