"""What one capture is: the page's own words, weighed with the status it came under. Pure."""

from dataclasses import replace

from archive.domain.captures import Capture
from archive.domain.errors import in_words
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage, unreadable
from crawler.parse.page import read_page
from crawler.parse.response import header

TOO_MANY_REQUESTS = 429


def classify(capture: Capture) -> ParsedPage:
    """Read a capture; an answer under an error status or a redirect is never a post.

    A page on which the parser fails is unknown, for that reason. Raises MemoryError.
    """
    try:
        return _classified(capture)
    except (MemoryError, OSError):
        raise
    except Exception as error:
        return unreadable(in_words(error))


def _classified(capture: Capture) -> ParsedPage:
    if capture.status == TOO_MANY_REQUESTS:
        return ParsedPage(Outcome.RATE_LIMITED, reason=_status_reason(capture))
    content_type = header(capture.headers, "content-type")
    reading = read_page(capture.body, capture.final_url, content_type, capture.evaluated)
    if capture.status == 200:
        return reading
    return _under_error_status(capture, reading)


def _under_error_status(capture: Capture, reading: ParsedPage) -> ParsedPage:
    if reading.outcome.blocks:
        return reading
    if reading.outcome is Outcome.ARTICLE or not reading.reason:
        return ParsedPage(Outcome.UNKNOWN, reason=_status_reason(capture))
    if capture.status >= 500 or 300 <= capture.status < 400:
        return replace(reading, outcome=Outcome.UNKNOWN, reason=_status_reason(capture), record=None)
    return reading


def _status_reason(capture: Capture) -> str:
    parts = [f"HTTP {capture.status}"]
    for name in ("Location", "Retry-After"):
        value = header(capture.headers, name.lower())
        if value:
            parts.append(f"{name}: {value[:200]}")
    return ", ".join(parts)
