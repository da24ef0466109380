"""What a reader has already is not sent again."""

import unicodedata
from collections.abc import Mapping

from fastapi import Request, Response

FOR_EVER = "private, max-age=31536000, immutable"  # of what is told by its hash: it never changes


def unchanged(request: Request, headers: Mapping[str, str]) -> Response | None:
    """304 where the reader has what the ETag among these headers names."""
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=dict(headers))
    return None


_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and a pattern that are drawn as nothing


def is_visible(title: str) -> bool:
    """Whether a reader sees any sign of it; a link of none can be neither seen nor told."""
    return any(unicodedata.category(sign)[0] not in "CZ" and sign not in _BLANK for sign in title)
