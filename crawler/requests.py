"""Requests for posts, and what makes two of them the same."""

import hashlib
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.http import Response
from scrapy.utils.request import RequestFingerprinter

from archive.domain.addresses import without_session
from archive.domain.outcomes import MediumType
from archive.repository.frontier import DueAddress
from archive.repository.media import DueMedium
from crawler.download.hosts import may_hold_media, over_tls

# Keys of Request.meta; redirects and retries carry them along.
ADDRESS_ID = "address_id"

ADDRESS_KEY = "address_key"

ASKED = "asked"

EVALUATED = "evaluated"  # of a page that the browser drew: what its scripts held

SECRET = "secret"  # noqa: S105 - a key of meta; such a request is neither recorded nor replayed

OVER_HTTP = "over_http"  # a feed on one's own network may have no TLS

BROWSER_RETRIES = 1  # a page that did not show twice is not worth a third minute


def post_request(address: DueAddress) -> Request:
    """Ask for a post at the best address known; its chksm stays exactly as it was given."""
    url = without_session(address.fetch_url)
    return Request(url, meta={ADDRESS_ID: address.id, ADDRESS_KEY: address.key, ASKED: url})


def rendered_request(address_id: int | None, url: str) -> Request:
    """Ask for the same post once more, through the browser, before others: first whole, then next."""
    meta = {ADDRESS_ID: address_id, ASKED: url, "playwright": True, "max_retry_times": BROWSER_RETRIES}
    return Request(url, meta=meta, dont_filter=True, priority=1)


def asked_url(response: Response) -> str:
    """The address first asked for, before any redirect."""
    assert response.request is not None  # noqa: S101 - Scrapy has set it
    return str(response.request.meta.get(ASKED, response.request.url))


class AddressFingerprinter(RequestFingerprinter):
    """Two addresses of one post are one request, though their URLs differ."""

    def fingerprint(self, request: Request) -> bytes:
        """The post's identity where it is known, else Scrapy's own fingerprint."""
        key = request.meta.get(ADDRESS_KEY)
        if key is None:
            return super().fingerprint(request)
        return hashlib.sha1(key.encode(), usedforsecurity=False).digest()


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
