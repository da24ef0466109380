"""What is answered when something is not there, not understood, or broken: never a trace of a program."""

from collections.abc import Callable

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from archive.errors import ArchiveError, IntegrityError, MediaFolderError, NotArchived, PageError, first_line
from archive.web.faults import fault
from archive.web.problems import AGAIN, problem
from archive.web.readers import NO_DATABASE

Say = Callable[[Request, int, str, dict[str, str]], Response]
MOST_SAID = 3  # of the faults in one request

log = structlog.get_logger()


def say_as_json(_request: Request, status: int, detail: str, headers: dict[str, str]) -> Response:
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
