"""What is wrong with a parameter, in a sentence that says what to give instead. Pure."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException

from archive.db.engine import NO_DATABASE
from archive.domain.errors import (
    ArchiveError,
    IntegrityError,
    MediaFolderError,
    NotArchived,
    PageError,
    first_line,
)

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

# By the names of pydantic's errors, and those of the values that these come with.
SAYINGS = {
    "date": "{name}: give a day as YYYY-MM-DD",
    "int": "{name}: give a whole number",
    "missing": "{name}: this parameter is missing",
    "greater_than_equal": "{name}: give {ge} or more",
    "less_than_equal": "{name}: give {le} or less",
    "less_than": "{name}: give less than {lt}",
    "string_too_long": "{name}: give at most {max_length} characters",
    "string_pattern_mismatch": "{name}: give one of the form {pattern}",
    "enum": "{name}: give one of {expected}",
    "literal_error": "{name}: give one of {expected}",
}


def written_as_day(value: Any) -> Any:
    """A day as it stands. Raises what pydantic heeds for the numbers and instants it would take as days."""
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise PydanticCustomError("date_form", "a day is written YYYY-MM-DD")
    return value


def fault(error: Mapping[str, Any]) -> str:
    """One of pydantic's errors of a request."""
    name, kind = error["loc"][-1] if error["loc"] else "request", str(error["type"])
    saying = SAYINGS.get(kind) or SAYINGS.get(kind.partition("_")[0])
    return saying.format(name=name, **error.get("ctx", {})) if saying else f"{name}: {error['msg']}"


MEDIA_TYPE = "application/problem+json"

AGAIN = 10  # seconds until a database that was away is worth another try


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str


_SAID = {
    400: "A cursor or a search that cannot be read",
    401: "The token is missing or wrong",
    404: "There is no such thing in the archive",
    422: "A parameter is not what it should be",
    429: "Too many requests; Retry-After says when to come back",
    500: "Something stored is damaged; `mparchive verify` names it",
    503: "The database is away, or all hands are busy",
}

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": words, "model": Problem, "content": {MEDIA_TYPE: {}}}
    for status, words in _SAID.items()
}


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """One problem; `detail` is a sentence that says what was wrong and what to do."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(content, status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)


Say = Callable[[Request, int, str, dict[str, str]], Response]

MOST_SAID = 3  # of the faults in one request

log = structlog.get_logger()


def json_problem_response(_request: Request, status: int, detail: str, headers: dict[str, str]) -> Response:
    """For programs."""
    return problem(status, detail, headers)


def answer_failures(app: FastAPI, say: Say) -> None:
    """Let every failure be said by `say`: not found, bad input, damage, a database that is away."""

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
        return say(request, error.status_code, str(error.detail), dict(error.headers or {}))

    def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
        return say(request, 422, "; ".join(map(fault, error.errors()[:MOST_SAID])), {})

    def refused(request: Request, error: Exception) -> Response:
        return say(request, _status(error), str(error), {})

    def away(request: Request, error: Exception) -> Response:
        log.error(
            "a reader was not answered", action="database_away", work="reading", reason=first_line(error)
        )
        return say(
            request, 503, "the database does not answer in time; try again", {"Retry-After": str(AGAIN)}
        )

    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(ArchiveError, refused)
    for kind in NO_DATABASE:
        app.add_exception_handler(kind, away)


def _status(error: Exception) -> int:
    match error:
        case NotArchived():
            return 404
        case IntegrityError():
            log.error("something stored is damaged", action="damaged", reason=str(error))
            return 500
        case PageError():
            return 501
        case MediaFolderError():
            log.error("the media folder does not answer", action="media_away", reason=str(error))
            return 503
    return 400
