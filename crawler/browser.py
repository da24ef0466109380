"""Chromium for the posts whose body only a script draws: one page at a time, behind a gate."""

import asyncio
import itertools
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, Route
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Request as PageRequest
from playwright.async_api import TimeoutError as PlaywrightTimeout
from scrapy import Request
from scrapy.exceptions import DownloadFailedError
from scrapy.http import Response
from scrapy.settings import BaseSettings
from scrapy_playwright.page import PageMethod
from scrapy_playwright.provider import PlaywrightBrowserProvider

from crawler.answer import MAX_PAGE_BYTES
from crawler.cassettes import CassetteMiss, Recorded, Tape
from crawler.chromium import REMEDY
from crawler.origin import Origin, is_allowed

RENDER_TIMEOUT = 60.0  # seconds for one post, everything included
SETTLE_TIMEOUT = 3_000  # milliseconds for a page's scripts to come to rest; some poll for ever
FETCH_TIMEOUT = 20_000  # milliseconds for one file a page asks for
WANTED = frozenset({"document", "script", "stylesheet", "xhr", "fetch"})
_UNPACKED = frozenset({"content-encoding", "content-length", "transfer-encoding"})

# It writes a traceback for every page that fails; the pipeline reports those in one line.
logging.getLogger("scrapy-playwright").setLevel(logging.ERROR)


class BrowserMissing(Exception):
    """There is no Chromium that starts; the message says what to do."""


class LazyChromium(PlaywrightBrowserProvider):  # type: ignore[misc]  # it has no types
    """Starts Playwright with the first page instead of with every crawl."""

    async def start(self) -> None:
        """Nothing yet."""

    async def launch_browser(self) -> Browser:
        """Start Chromium; raises BrowserMissing when there is none that starts."""
        try:
            if self.playwright is None:
                await super().start()
            browser: Browser = await super().launch_browser()
        except (PlaywrightError, OSError) as error:
            first_line = str(error).strip().partition("\n")[0][:200]
            raise BrowserMissing(f"no Chromium could be started ({first_line}); {REMEDY}") from error
        return browser


@dataclass
class Gate:
    """Answers every request of one page: wanted files of mp.weixin.qq.com, nothing else."""

    origin: Origin
    tape: Tape
    redirect: Recorded | None = None
    miss: CassetteMiss | None = None

    async def open(self, page: Page, request: Request) -> None:
        """Stand before the page, ahead of any route set up earlier."""
        await page.route("**/*", self._handle)
        await page.route_web_socket("**/*", lambda socket: socket.close())

    async def _handle(self, route: Route) -> None:
        asked = route.request
        if asked.resource_type not in WANTED or not is_allowed(asked.url):
            await route.abort("blockedbyclient")
            return
        try:
            answer = await self._answer(route, asked)
        except CassetteMiss as miss:
            self.miss = miss
            await route.abort("blockedbyclient")
            return
        except PlaywrightError:
            with suppress(PlaywrightError):  # the page may be gone by now
                await route.abort("failed")
            return
        await self._hand_over(route, asked, answer)

    async def _hand_over(self, route: Route, asked: PageRequest, answer: Recorded) -> None:
        too_big = len(answer.body) > MAX_PAGE_BYTES
        # Chromium would follow a redirect past the gate: Scrapy's own middleware decides on it instead.
        if too_big or 300 <= answer.status < 400:
            if asked.is_navigation_request() and not too_big:
                self.redirect = answer
            await route.abort("blockedbyclient")
            return
        await route.fulfill(status=answer.status, headers=dict(answer.headers), body=answer.body)

    async def _answer(self, route: Route, asked: PageRequest) -> Recorded:
        if self.tape.replays:
            return self.tape.recorded(asked.method, asked.url, asked.headers)
        got = await route.fetch(url=self.origin.wire(asked.url), max_redirects=0, timeout=FETCH_TIMEOUT)
        headers = tuple(
            (pair["name"], self._translated(asked.url, pair["name"], pair["value"]))
            for pair in got.headers_array
            if pair["name"].lower() not in _UNPACKED
        )
        answer = Recorded(got.status, headers, await got.body())
        if self.tape.records:
            self.tape.keep(asked.method, asked.url, asked.headers, answer)
        return answer

    def _translated(self, url: str, name: str, value: str) -> str:
        return self.origin.location(url, value) if name.lower() == "location" else value


class Renderer(Protocol):
    """The download handler as this module needs it: scrapy-playwright's, with its open contexts."""

    async def render(self, request: Request) -> Response: ...

    async def close_context(self, name: str) -> None: ...

    async def close_browser(self) -> None: ...


async def settle(page: Page) -> None:
    """Give the page's scripts a moment to draw the post."""
    with suppress(PlaywrightTimeout):
        await page.wait_for_load_state("networkidle", timeout=SETTLE_TIMEOUT)


@dataclass
class Browsing:
    """Renders posts through the handler, each in a context of its own that is closed afterwards."""

    renderer: Renderer
    origin: Origin
    tape: Tape
    settings: BaseSettings
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def render(self, request: Request) -> Response:
        """The page's DOM, or a redirect it met; raises BrowserMissing, CassetteMiss, DownloadFailedError."""
        number = next(self._numbers)
        name, gate = f"page-{number}", Gate(self.origin, self.tape)
        try:
            rendering = self.renderer.render(self._prepared(request, name, gate))
            response = await asyncio.wait_for(rendering, RENDER_TIMEOUT)
        except (PlaywrightError, TimeoutError) as error:
            return self._instead(request, gate, error)
        finally:
            await self.renderer.close_context(name)
            if number % self.settings.getint("PAGES_PER_BROWSER") == 0:
                await self.renderer.close_browser()
        if gate.miss:
            raise gate.miss
        return response

    def _prepared(self, request: Request, name: str, gate: Gate) -> Request:
        context = {
            "user_agent": self.settings["USER_AGENT"],
            "locale": "zh-CN",
            "timezone_id": "Asia/Shanghai",
            "service_workers": "block",
            "accept_downloads": False,
        }
        return request.replace(
            meta={
                **request.meta,
                "playwright_context": name,
                "playwright_context_kwargs": context,
                "playwright_page_init_callback": gate.open,
                "playwright_page_goto_kwargs": {"wait_until": "load"},
                "playwright_page_methods": [PageMethod(settle)],
            }
        )

    @staticmethod
    def _instead(request: Request, gate: Gate, error: Exception) -> Response:
        if gate.miss:
            raise gate.miss
        if gate.redirect:
            headers = dict(gate.redirect.headers)
            return Response(request.url, status=gate.redirect.status, headers=headers, request=request)
        path = urlsplit(request.url).path
        reason = str(error).strip().partition("\n")[0][:200] or "it took too long"
        raise DownloadFailedError(f"the browser could not show {path}: {reason}") from error
