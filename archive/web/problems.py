"""What went wrong, as RFC 9457 has it: application/problem+json, for programs."""

from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel

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
