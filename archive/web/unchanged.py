"""What a reader has already is not sent again."""

from collections.abc import Mapping

from fastapi import Request, Response

FOR_EVER = "private, max-age=31536000, immutable"  # of what is told by its hash: it never changes


def unchanged(request: Request, headers: Mapping[str, str]) -> Response | None:
    """304 where the reader has what the ETag among these headers names."""
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=dict(headers))
    return None
