"""Answers to requests that fail: problem documents (RFC 9457) and the exception handlers of the app."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException

from archive.db.engine import NO_DATABASE
from archive.domain.day_ranges import DayError, DayRange
from archive.domain.errors import (
    ArchiveError,
    IntegrityError,
    MediaFolderError,
    NotArchived,
    PageError,
    first_line,
)
from archive.domain.messages import Message
from web.http_cache import NO_STORE

# By pydantic's error type: our message, and the names of its parameters by those of pydantic's context.
_PARAMETER_MESSAGES: dict[str, tuple[str, dict[str, str]]] = {
    "date": ("web.parameter.day", {}),
    "int": ("web.parameter.whole_number", {}),
    "missing": ("web.parameter.missing", {}),
    "greater_than_equal": ("web.parameter.at_least", {"ge": "least"}),
    "less_than_equal": ("web.parameter.at_most", {"le": "most"}),
    "less_than": ("web.parameter.less_than", {"lt": "bound"}),
    "string_too_long": ("web.parameter.too_long", {"max_length": "most"}),
    "string_pattern_mismatch": ("web.parameter.form", {"pattern": "form"}),
    "enum": ("web.parameter.choice", {"expected": "choices"}),
    "literal_error": ("web.parameter.choice", {"expected": "choices"}),
}


def first_day(value: Any) -> Any:
    """Return the first of the days that a text names, and anything else than text.

    Raises PydanticCustomError for other text: pydantic would take numbers and instants as days.
    """
    return _days(value).first if isinstance(value, str) else value


def last_day(value: Any) -> Any:
    """Return the last of the days that a text names, as `first_day` does the first."""
    return _days(value).last if isinstance(value, str) else value


def _days(text: str) -> DayRange:
    try:
        return DayRange.read(text)
    except DayError:
        raise PydanticCustomError("date_form", "a day is written YYYY-MM-DD") from None


def parameter_message(error: Mapping[str, Any]) -> Message:
    """Return what one of pydantic's errors of a request says, and what to give instead."""
    name, kind = str(error["loc"][-1]) if error["loc"] else "request", str(error["type"])
    known = _PARAMETER_MESSAGES.get(kind) or _PARAMETER_MESSAGES.get(kind.partition("_")[0])
    if known is None:
        return Message("web.parameter.other", {"name": name, "reason": error["msg"]})
    code, names = known
    context = error.get("ctx", {})
    return Message(code, {"name": name, **{ours: context[theirs] for theirs, ours in names.items()}})


MAX_PARAMETER_MESSAGES = 3  # of one request


def _parameters_message(errors: Sequence[Any]) -> Message:
    first, *rest = map(parameter_message, errors[:MAX_PARAMETER_MESSAGES])
    for message in rest:
        first = Message("web.parameter.and", {"first": first, "rest": message})
    return first


PROBLEM_MEDIA_TYPE = "application/problem+json"

RETRY_SECONDS = 10  # until a database that did not answer is worth another try


class Problem(BaseModel):
    """A problem document of RFC 9457. `code` names what `detail` says, with `params`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    params: dict[str, Any] = Field(default_factory=dict)


_DESCRIPTIONS = {
    400: "A cursor or a search that cannot be read",
    401: "The token is missing or wrong",
    404: "There is no such thing in the archive",
    422: "A parameter is not what it should be",
    429: "Too many requests; Retry-After says when to come back",
    500: "Something stored is damaged; `mparchive verify` names it",
    503: "The database does not answer, or too many requests are being answered",
}

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": description, "model": Problem, "content": {PROBLEM_MEDIA_TYPE: {}}}
    for status, description in _DESCRIPTIONS.items()
}

ErrorResponder = Callable[[Request, int, Message, dict[str, str]], Response]

_log = structlog.get_logger()


def problem_response(_request: Request, status: int, detail: Message, headers: dict[str, str]) -> Response:
    """Answer with a problem document; `detail` says in English what was wrong and what to do."""
    content = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=str(detail),
        **detail.as_json(),
    )
    return JSONResponse(
        content.model_dump(), status, {"Cache-Control": NO_STORE, **headers}, PROBLEM_MEDIA_TYPE
    )


_HTTP_MESSAGES = {
    404: Message("web.request.not_found"),
    405: Message("web.request.method_not_allowed"),
}  # in place of Starlette's own words


def install_error_handlers(app: FastAPI, respond: ErrorResponder) -> None:
    """Let `respond` answer every failure: not found, bad input, damage, a database that does not answer."""

    def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
        other = Message("archive.verbatim", {"text": str(error.detail)})
        message = _HTTP_MESSAGES.get(error.status_code, other)
        return respond(request, error.status_code, message, dict(error.headers or {}))

    def invalid_parameters(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
        return respond(request, 422, _parameters_message(error.errors()), {})

    def archive_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, ArchiveError)  # noqa: S101 - as above
        return respond(request, _status_of(error), error.message, {})

    def database_away(request: Request, error: Exception) -> Response:
        reason = first_line(error)
        _log.error("a request was not answered", action="database_away", work="reading", reason=reason)
        retry = {"Retry-After": str(RETRY_SECONDS)}
        return respond(request, 503, Message("web.request.database_away"), retry)

    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid_parameters)
    app.add_exception_handler(ArchiveError, archive_error)
    for kind in NO_DATABASE:
        app.add_exception_handler(kind, database_away)


class ForeignForm(ArchiveError):
    """A form that a page of another site has sent."""


def _status_of(error: ArchiveError) -> int:
    match error:
        case ForeignForm():
            return 403
        case NotArchived():
            return 404
        case IntegrityError():
            _log.error("something stored is damaged", action="damaged", reason=str(error))
            return 500
        case PageError():
            return 501
        case MediaFolderError():
            _log.error("the media folder does not answer", action="media_away", reason=str(error))
            return 503
    return 400
