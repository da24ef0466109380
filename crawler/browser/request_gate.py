"""The gate before a page: every request that Chromium makes is answered here, or not at all."""

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

from crawler.cassettes.cassette import CassetteMiss, Recorded
from crawler.download.hosts import is_allowed
from crawler.parse.response import MAX_PAGE_BYTES, gunzip

FETCH_TIMEOUT = 20.0  # seconds for one file a page asks for

MAX_FILES = 100  # of one page; real templates ask for under 40

MAX_FILE_BYTES = 48 * 1024 * 1024  # of all files of one page, unpacked; real ones have under 10 MB

WANTED = frozenset({"script", "stylesheet", "xhr", "fetch"})

_PAGES = ("text/html", "application/xhtml+xml")

# What the answer no longer is once it is unpacked, and what a page that nobody keeps has no use for.
_NOT_HANDED_ON = frozenset({"content-encoding", "content-length", "transfer-encoding", "set-cookie"})


@dataclass
class Gate:
    """Lets one page be opened, once, and have its wanted files; nothing else ever leaves.

    `fetch` asks the server, its stand-in or the cassette. `hosts` are those whose files are wanted besides
    mp.weixin.qq.com's. `page` is the page's own answer.
    """

    fetch: Callable[[Request], Awaitable[Response]]
    hosts: frozenset[str] = frozenset()
    page: Recorded | None = None
    redirect: Recorded | None = None
    miss: CassetteMiss | None = None
    failure: str = ""
    files: int = 0
    refused_files: int = 0
    busy: int = 0
    _opened: bool = False
    _received: int = 0
    _line: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def open(self, page: Page, _request: Request) -> None:
        """Stand before the page and whatever it opens, ahead of any route set up earlier."""
        page.context.on("page", _close)
        await page.context.route("**/*", self._handle)
        await page.route("**/*", self._handle)
        await page.context.route_web_socket("**/*", lambda socket: socket.close())

    async def _handle(self, route: Route) -> None:
        with suppress(PlaywrightError):  # the page may be gone by now
            if route.request.is_navigation_request():
                await self._open_once(route)
            elif self._wants(route.request):
                await self._give(route)
            else:
                await route.abort("blockedbyclient")

    async def _open_once(self, route: Route) -> None:
        if self._opened:  # by a script, a refresh, a frame: "aborted" leaves the page as it stands
            await route.abort("aborted")
            return
        self._opened = True
        answer = await self._answer(route.request)
        if answer is None:
            await route.abort("failed")
            return
        # Chromium would follow a redirect past the gate: Scrapy's own middleware decides on it instead.
        if 300 <= answer.status < 400:
            self.redirect = answer
        elif not _is_page(answer):
            self.failure = "its address now gives a file, not a page"
        else:
            self.page = answer
            await _hand_over(route, answer)
            return
        await route.abort("blockedbyclient")

    def _wants(self, asked: PageRequest) -> bool:
        parts = urlsplit(asked.url)
        known = is_allowed(asked.url) or (parts.scheme == "https" and parts.netloc in self.hosts)
        wanted = known and asked.method == "GET" and asked.resource_type in WANTED
        if wanted and self.files >= MAX_FILES:
            self.refused_files += 1
            return False
        return wanted

    async def _give(self, route: Route) -> None:
        self.files += 1
        self.busy += 1
        try:
            answer = await self._answer(route.request)
            if answer is None or 300 <= answer.status < 400:
                await route.abort("failed")
            else:
                await _hand_over(route, answer)
        finally:
            self.busy -= 1

    async def _answer(self, asked: PageRequest) -> Recorded | None:
        headers: dict[Any, Any] = {**asked.headers, "accept-encoding": "gzip"}
        request = Request(asked.url, headers=headers, meta={"download_timeout": FETCH_TIMEOUT})
        try:
            async with self._line:  # one at a time, as every request of a crawl
                answer = _unpacked(await self.fetch(request))
        except CassetteMiss as miss:
            self.miss = miss
            return None
        except Exception as error:  # whatever fails, the page must not wait for it
            self.refused_files += 1
            self.failure = self.failure or f"{type(error).__name__}: {str(error)[:200]}"
            return None
        self._received += len(answer.body)
        if self._received > MAX_FILE_BYTES + MAX_PAGE_BYTES:
            self.refused_files += 1
            return None
        return answer


async def _close(opened: Page) -> None:
    """Pop-ups are blocked; one that opens all the same is closed. The page itself has no opener."""
    with suppress(PlaywrightError):
        if await opened.opener():
            await opened.close()


async def _hand_over(route: Route, answer: Recorded) -> None:
    await route.fulfill(status=answer.status, headers=dict(answer.headers), body=answer.body)


def _is_page(answer: Recorded) -> bool:
    """Anything else would start a download."""
    headers = {name.lower(): value.lower() for name, value in answer.headers}
    attached = headers.get("content-disposition", "").startswith("attachment")
    return not attached and headers.get("content-type", "text/html").startswith(_PAGES)


def _unpacked(response: Response) -> Recorded:
    pairs = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, values in response.headers.items()
        for value in values
    ]
    packing = next((value for name, value in pairs if name.lower() == "content-encoding"), "")
    body = gunzip(response.body) if "gzip" in packing and response.body else response.body
    kept = tuple(pair for pair in pairs if pair[0].lower() not in _NOT_HANDED_ON)
    return Recorded(response.status, kept, body)
