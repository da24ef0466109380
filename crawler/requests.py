"""Requests for posts, and what makes two of them the same."""

import hashlib

from scrapy import Request
from scrapy.http import Response
from scrapy.utils.request import RequestFingerprinter

from archive.address import without_session
from archive.queries import DueAddress

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
