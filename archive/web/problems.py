"""What went wrong, as RFC 9457 has it: application/problem+json, for programs."""

from http import HTTPStatus

from fastapi.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"
AGAIN = 10  # seconds until a database that was away is worth another try


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """One problem; `detail` is a sentence that says what was wrong and what to do."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(content, status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)
