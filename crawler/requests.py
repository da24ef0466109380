"""Scrapy requests for posts and media, and the reasons why one gets no response."""

import hashlib
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadTimeoutError,
    ResponseDataLossError,
)
from scrapy.http import Response
from scrapy.settings import BaseSettings
from scrapy.utils.request import RequestFingerprinter

from archive.domain.addresses import without_session
from archive.domain.errors import MessageError
from archive.domain.messages import Message
from archive.domain.outcomes import MediumType
from archive.repository.frontier import DueAddress
from archive.repository.media import DueMedium
from crawler.download.middlewares import may_hold_media, over_tls

# Keys of Request.meta; redirects and retries carry them along.
ADDRESS_ID = "address_id"

ADDRESS_KEY = "address_key"

REQUESTED_URL = "requested_url"  # before any redirect

EVALUATED = "evaluated"  # of a rendered page: the values of its scripts

SECRET = "secret"  # noqa: S105 - a key of meta; such a request is neither recorded nor replayed

OVER_HTTP = "over_http"  # a feed on one's own network may have no TLS

MEDIUM = "medium"

BROWSER_RETRIES = 1  # a page that failed twice is not worth a third minute

MAX_URL = 2_000  # characters; a longer one is not the address of a file

RECORDING_TIMEOUT = 600.0  # seconds for an audio or video: 256 MB at half a megabyte a second

_MEDIA_HEADERS = {"Accept": "*/*"}  # told of newer formats, servers convert to them instead of the original


class MediumNotRequested(MessageError):
    """A medium is not requested, because of its address or its size."""


def post_request(address: DueAddress) -> Request:
    """Return a request for a post at the best address known, with its chksm exactly as it was given."""
    url = without_session(address.fetch_url)
    return Request(url, meta={ADDRESS_ID: address.id, ADDRESS_KEY: address.key, REQUESTED_URL: url})


def rendered_request(address_id: int | None, url: str) -> Request:
    """Return a request for the same post through the browser, to be sent before any other post's."""
    meta = {
        ADDRESS_ID: address_id,
        REQUESTED_URL: url,
        "playwright": True,
        "max_retry_times": BROWSER_RETRIES,
    }
    return Request(url, meta=meta, dont_filter=True, priority=1)


def requested_url(response: Response) -> str:
    """Return the address first requested, before any redirect."""
    assert response.request is not None  # noqa: S101 - Scrapy has set it
    return str(response.request.meta.get(REQUESTED_URL, response.request.url))


class AddressFingerprinter(RequestFingerprinter):
    """Requests for two addresses of one post are the same request, though their URLs differ."""

    def fingerprint(self, request: Request) -> bytes:
        """Return a hash of the post's key where it is known, else Scrapy's own fingerprint."""
        key = request.meta.get(ADDRESS_KEY)
        if key is None:
            return super().fingerprint(request)
        return hashlib.sha1(key.encode(), usedforsecurity=False).digest()


def medium_request(medium: DueMedium, max_bytes: int) -> Request:
    """Return a request for a medium. Raises MediumNotRequested."""
    url = _https_address(_best_form(medium, max_bytes))
    meta = {MEDIUM: medium, REQUESTED_URL: url, "download_maxsize": max_bytes, "download_warnsize": 0}
    if medium.type in (MediumType.AUDIO, MediumType.VIDEO):
        meta["download_timeout"] = RECORDING_TIMEOUT
    return Request(url, headers=_MEDIA_HEADERS, meta=meta, dont_filter=True)


def is_style(medium: DueMedium) -> bool:
    """Tell whether a medium is a style sheet."""
    return medium.type == MediumType.STYLE


def _best_form(medium: DueMedium, max_bytes: int) -> str:
    """Return the address of a video's best form that is small enough; of other media the one there is."""
    if (medium.facts.get("bytes") or 0) <= max_bytes:
        return medium.url
    forms = [form for form in medium.facts.get("qualities", ()) if form.get("url") and form.get("bytes")]
    small = [form for form in forms if form["bytes"] <= max_bytes]
    if not small:
        raise MediumNotRequested("crawler.media.forms_too_large", limit=max_bytes)
    best = max(small, key=lambda form: (form.get("width") or 0, form["bytes"]))
    return str(best["url"])


def _https_address(address: str) -> str:
    if len(address) > MAX_URL:
        raise MediumNotRequested("crawler.media.address_too_long", limit=MAX_URL)
    try:
        url = over_tls(f"https:{address}" if address.startswith("//") else address)
        allowed, host = may_hold_media(url), urlsplit(url).hostname
    except ValueError:
        raise MediumNotRequested("crawler.media.not_address", address=repr(address[:200])) from None
    if not allowed:
        raise MediumNotRequested("crawler.media.foreign_host", host=host or repr(address[:100]))
    return url


def host_of(url: str) -> str:
    """Return the host of an address; empty when it has none."""
    return urlsplit(url).hostname or ""


_FAILURES: tuple[tuple[type[BaseException], str], ...] = (
    (CannotResolveHostError, "crawler.fetch.unknown_host"),
    (DownloadConnectionRefusedError, "crawler.fetch.connection_refused"),
    (ResponseDataLossError, "crawler.fetch.cut_off"),
)


def failure_message(error: BaseException | None, settings: BaseSettings) -> Message:
    """Return why there is no response. Without the error's own text, which may quote a secret address."""
    match error:
        case MessageError():
            return error.message
        case DownloadTimeoutError():
            return Message("crawler.fetch.timeout", {"limit": f"{settings.getfloat('DOWNLOAD_TIMEOUT'):g}"})
        case DownloadCancelledError():
            limit = settings.getint("DOWNLOAD_MAXSIZE") // (1024 * 1024)
            return Message("crawler.fetch.too_large", {"limit": limit})
    code = next((code for kind, code in _FAILURES if isinstance(error, kind)), "")
    return (
        Message(code) if code else Message("crawler.fetch.connection_failed", {"error": type(error).__name__})
    )
