"""Requests for media: where each may go, how large an answer it may get, and how long it may take."""

from urllib.parse import urlsplit

from scrapy import Request

from archive.media.queries import DueMedium
from archive.vocabulary import MediumType
from crawler.origin import may_hold_media, over_tls
from crawler.requests import ASKED

MEDIUM = "medium"  # key of Request.meta
MAX_URL = 2_000  # characters: longer ones are no address of a file
RECORDING_TIMEOUT = 600.0  # seconds for an audio or video: 256 MB at half a megabyte a second
_HEADERS = {"Accept": "*/*"}  # a server that is told of newer formats makes them instead of the original


def medium_request(medium: DueMedium, max_bytes: int) -> Request:
    """Ask for a medium; raises ValueError, with the reason, for an address that is not asked."""
    url = _address(_fitting(medium, max_bytes))
    meta = {MEDIUM: medium, ASKED: url, "download_maxsize": max_bytes, "download_warnsize": 0}
    if medium.type != MediumType.IMAGE:
        meta["download_timeout"] = RECORDING_TIMEOUT
    return Request(url, headers=_HEADERS, meta=meta, dont_filter=True)


def _fitting(medium: DueMedium, max_bytes: int) -> str:
    """Of a video the best form that is small enough; where sizes are not told, the one known."""
    if (medium.facts.get("bytes") or 0) <= max_bytes:
        return medium.url
    forms = [form for form in medium.facts.get("qualities", ()) if form.get("url") and form.get("bytes")]
    small = [form for form in forms if form["bytes"] <= max_bytes]
    if not small:
        raise ValueError(f"none of its forms has at most {max_bytes} bytes; raise MPARCHIVE_MAX_VIDEO_MB")
    best = max(small, key=lambda form: (form.get("width") or 0, form["bytes"]))
    return str(best["url"])


def _address(given: str) -> str:
    if len(given) > MAX_URL:
        raise ValueError(f"its address has more than {MAX_URL} characters")
    try:
        url = over_tls(f"https:{given}" if given.startswith("//") else given)
        allowed, host = may_hold_media(url), urlsplit(url).hostname
    except ValueError:
        raise ValueError(f"{given[:200]!r} is no address") from None
    if not allowed:
        raise ValueError(f"it is at {host or given[:100]!r}, which is no host of WeChat's; it is not asked")
    return url


def host_of(url: str) -> str:
    """The host of an address that may be asked."""
    return urlsplit(url).hostname or ""
