"""What is said when something fails: a page to people, JSON to programs."""

from fastapi import Request, Response

from archive.web.failing import say_as_json
from archive.web.pages.render import page

_FOR_PROGRAMS = ("/api/", "/feeds/", "/openapi.json", "/inbox", "/metrics", "/livez", "/readyz")
_SAID_OTHERWISE = {422: 400}  # what people write into an address is bad input, not a bad document
_KNOWN = frozenset({400, 401, 404, 405, 421, 429, 500, 501, 503})
_SELF_EVIDENT = frozenset({"Not Found", "Method Not Allowed"})  # Starlette's own words


def say_as_suits(request: Request, status: int, detail: str, headers: dict[str, str]) -> Response:
    """A page where a page was asked for."""
    if request.url.path.startswith(_FOR_PROGRAMS):
        return say_as_json(request, status, detail, headers)
    status = _SAID_OTHERWISE.get(status, status)
    heading = f"error_{status if status in _KNOWN else 400}"
    told = "" if detail in _SELF_EVIDENT else detail
    answer = page(request, "failure.html", status, heading=heading, detail=told)
    answer.headers.update(headers)
    answer.headers["Cache-Control"] = "no-store"
    return answer
