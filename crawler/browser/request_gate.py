"""Intercepts every request of a page in Chromium, and answers it here or not at all."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, Route
from playwright.async_api import Request as PageRequest
from scrapy import Request
from scrapy.http import Response

from archive.domain.errors import error_message
from archive.domain.messages import Message
from crawler.cassettes.cassette import CassetteMiss, RecordedResponse
from crawler.download.middlewares import is_allowed
from crawler.parse.response import MAX_PAGE_BYTES, gunzip

FETCH_TIMEOUT = 20.0  # seconds for one file that a page requests

MAX_FILES = 100  # of one page; real templates request under 40

MAX_FILE_BYTES = 48 * 1024 * 1024  # of all files of one page, unpacked; real ones have under 10 MB

WANTED_TYPES = frozenset({"script", "stylesheet", "xhr", "fetch"})

_PAGES = ("text/html", "application/xhtml+xml")

# Headers that are wrong once the body is unpacked, and cookies, which the page does not need.
_LEFT_OUT = frozenset({"content-encoding", "content-length", "transfer-encoding", "set-cookie"})


@dataclass
class RequestGate:
    """Lets one page be opened, once, and get the files it needs; no other request leaves the browser.

    `fetch` gets a response from the server, its stand-in or the cassette. `hosts` are those whose files the
    page gets besides mp.weixin.qq.com's. `page` is the page's own response.
    """

    fetch: Callable[[Request], Awaitable[Response]]
    hosts: frozenset[str] = frozenset()
    page: RecordedResponse | None = None
    redirect: RecordedResponse | None = None
    miss: CassetteMiss | None = None
    failure: Message | None = None
    files: int = 0
    refused_files: int = 0
    busy: int = 0
    _opened: bool = False
    _received: int = 0
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def open(self, page: Page, _request: Request) -> None:
        """Intercept the requests of the page and of whatever it opens, before any earlier route."""
        page.context.on("page", _close_popup)
        await page.context.route("**/*", self._handle)
        await page.route("**/*", self._handle)
        await page.context.route_web_socket("**/*", lambda socket: socket.close())

    async def _handle(self, route: Route) -> None:
        with suppress(PlaywrightError):  # the page may be gone by now
            if route.request.is_navigation_request():
                await self._open_once(route)
            elif self._wants(route.request):
                await self._send_file(route)
            else:
                await route.abort("blockedbyclient")

    async def _open_once(self, route: Route) -> None:
        if self._opened:  # by a script, a refresh, a frame: "aborted" leaves the page as it stands
            await route.abort("aborted")
            return
        self._opened = True
        response = await self._fetch(route.request)
        if response is None:
            await route.abort("failed")
            return
        # Chromium would follow a redirect without asking: Scrapy's middleware decides on it instead.
        if 300 <= response.status < 400:
            self.redirect = response
        elif not _is_page(response):
            self.failure = Message("crawler.browser.not_a_page")
        else:
            self.page = response
            await _fulfill(route, response)
            return
        await route.abort("blockedbyclient")

    def _wants(self, request: PageRequest) -> bool:
        parts = urlsplit(request.url)
        known = is_allowed(request.url) or (parts.scheme == "https" and parts.netloc in self.hosts)
        wanted = known and request.method == "GET" and request.resource_type in WANTED_TYPES
        if wanted and self.files >= MAX_FILES:
            self.refused_files += 1
            return False
        return wanted

    async def _send_file(self, route: Route) -> None:
        self.files += 1
        self.busy += 1
        try:
            response = await self._fetch(route.request)
            if response is None or 300 <= response.status < 400:
                await route.abort("failed")
            else:
                await _fulfill(route, response)
        finally:
            self.busy -= 1

    async def _fetch(self, page_request: PageRequest) -> RecordedResponse | None:
        headers: dict[Any, Any] = {**page_request.headers, "accept-encoding": "gzip"}
        request = Request(page_request.url, headers=headers, meta={"download_timeout": FETCH_TIMEOUT})
        try:
            async with self._one_at_a_time:  # as all requests of a crawl
                response = _unpacked(await self.fetch(request))
        except CassetteMiss as miss:
            self.miss = miss
            return None
        except Exception as error:  # whatever fails, the page must not wait for it
            self.refused_files += 1
            self.failure = self.failure or error_message(error)
            return None
        self._received += len(response.body)
        if self._received > MAX_FILE_BYTES + MAX_PAGE_BYTES:
            self.refused_files += 1
            return None
        return response


async def _close_popup(opened: Page) -> None:
    """Close a pop-up that opens although they are blocked. The page itself has no opener."""
    with suppress(PlaywrightError):
        if await opened.opener():
            await opened.close()


async def _fulfill(route: Route, response: RecordedResponse) -> None:
    await route.fulfill(status=response.status, headers=dict(response.headers), body=response.body)


def _is_page(response: RecordedResponse) -> bool:
    """Tell whether Chromium shows this as a page; anything else would start a download."""
    headers = {name.lower(): value.lower() for name, value in response.headers}
    attached = headers.get("content-disposition", "").startswith("attachment")
    return not attached and headers.get("content-type", "text/html").startswith(_PAGES)


def _unpacked(response: Response) -> RecordedResponse:
    pairs = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, values in response.headers.items()
        for value in values
    ]
    encoding = next((value for name, value in pairs if name.lower() == "content-encoding"), "")
    body = gunzip(response.body) if "gzip" in encoding and response.body else response.body
    kept = tuple(pair for pair in pairs if pair[0].lower() not in _LEFT_OUT)
    return RecordedResponse(response.status, kept, body)
