"""The processes of one running Chromium: what they weigh, and an end for those that do not end."""

import asyncio
import gc
import itertools
import logging
import os
import signal
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import psutil
from playwright.async_api import Browser, Page
from playwright.async_api import Error as PlaywrightError
from scrapy import Request
from scrapy.exceptions import DownloadFailedError
from scrapy.http import Response
from scrapy.settings import BaseSettings
from scrapy_playwright.page import PageMethod
from scrapy_playwright.provider import PlaywrightBrowserProvider

from crawler.browser.launch_options import REMEDY
from crawler.browser.request_gate import Gate
from crawler.browser.snapshot import RenderedPage, RenderError, take
from crawler.redaction import scrub_log
from crawler.requests import EVALUATED


class BrowserProcess:
    """Chromium's main process and those it started; the system kills them as one group."""

    def __init__(self, pid: int):
        self.pid = pid

    @classmethod
    async def of(cls, browser: Browser) -> "BrowserProcess":
        """The process behind a connection; raises Playwright's errors."""
        session = await browser.new_browser_cdp_session()
        told = await session.send("SystemInfo.getProcessInfo")
        return cls(next(one["id"] for one in told["processInfo"] if one["type"] == "browser"))

    def weight(self) -> int:
        """Bytes of memory that are the browser's alone; 0 once it has ended."""
        found = 0
        with suppress(psutil.Error):
            main = psutil.Process(self.pid)
            for process in (main, *main.children(recursive=True)):
                with suppress(psutil.Error):
                    found += _own(process)
        return found

    def kill(self) -> None:
        """End the whole group at once; nothing when it is gone."""
        with suppress(ProcessLookupError):
            os.killpg(os.getpgid(self.pid), signal.SIGKILL)


def _own(process: psutil.Process) -> int:
    memory = process.memory_info()
    return int(memory.rss - getattr(memory, "shared", 0))


# Of all its processes, what is theirs alone: the heaviest real page brings them to 250 MB, and with the rest
# of the crawl they are to stay under 1 GB.
MAX_BROWSER_BYTES = 400 * 1024 * 1024

_WEIGHED_EVERY = 0.2  # seconds; a script fills some 200 MB meanwhile

LEAVE_TIMEOUT = 5_000  # milliseconds to leave a page that was taken

CLOSE_TIMEOUT = 5.0  # seconds for a page, or a browser, to close; then its processes are killed

logger = logging.getLogger("crawler")

# It writes a traceback for every page that fails; the pipeline reports those in one line.
logging.getLogger("scrapy-playwright").setLevel(logging.ERROR)


class BrowserMissing(Exception):
    """There is no Chromium that starts; the message says what to do."""


class LazyChromium(PlaywrightBrowserProvider):  # type: ignore[misc]  # it has no types
    """Starts Playwright with the first page instead of with every crawl."""

    process: BrowserProcess | None = None

    async def start(self) -> None:
        """Nothing yet."""

    async def launch_browser(self) -> Browser:
        """Start Chromium; raises BrowserMissing when there is none that starts."""
        try:
            if self.playwright is None:
                await super().start()
            browser: Browser = await super().launch_browser()
            self.process = await BrowserProcess.of(browser)
        except (PlaywrightError, OSError) as error:
            first_line = str(error).strip().partition("\n")[0][:200]
            raise BrowserMissing(f"no Chromium could be started ({first_line}); {REMEDY}") from error
        return browser


class Renderer(Protocol):
    """The download handler as this module needs it: scrapy-playwright's, and the way to the network."""

    context_wrappers: dict[str, Any]
    browser_provider: LazyChromium

    async def render(self, request: Request) -> Response: ...

    async def plain(self, request: Request) -> Response: ...


@dataclass
class PageSession:
    """One page in the browser: its gate, and what was taken of it."""

    gate: Gate
    drawn: RenderedPage | None = None
    crashed: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self, page: Page, request: Request) -> None:
        """Make ready for the page, before it is asked for."""
        page.on("crash", lambda _: self.crashed.set())
        await self.gate.open(page, request)

    async def take(self, page: Page) -> None:
        """Take the page, and leave it: nothing of its own runs while it is handed on."""
        self.drawn = await take(page, self.gate)
        await page.goto("about:blank", timeout=LEAVE_TIMEOUT)


@dataclass
class Browsing:
    """Renders posts through the handler, each in a context of its own that is closed afterwards."""

    renderer: Renderer
    settings: BaseSettings
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def render(self, request: Request) -> Response:
        """The page's DOM, or a redirect it met; its evaluated state is then in the request's meta.

        Raises BrowserMissing, CassetteMiss, NotDrawn, or DownloadFailedError when the line or the browser
        failed, so that it is worth asking again.
        """
        async with self._turn:  # a page's time begins with its turn
            return await self._render(request, next(self._numbers))

    async def _render(self, request: Request, number: int) -> Response:
        hosts = frozenset(self.settings.getlist("BROWSER_HOSTS"))
        sitting = PageSession(Gate(self.renderer.plain, hosts))
        name, error = f"page-{number}", None
        try:
            await self._watched(self.renderer.render(self._prepared(request, name, sitting)), sitting)
        except (PlaywrightError, RenderError, RuntimeError) as caught:  # RuntimeError: a download it refused
            error = caught
        finally:
            worn = isinstance(error, RenderError) or number % self.settings.getint("PAGES_PER_BROWSER") == 0
            await self._tidy(name, worn)
            gc.collect()  # Playwright's objects form rings, each with a page's megabytes, too few to notice
        return _outcome(request, sitting, error)

    async def _watched(self, rendering: Awaitable[Response], sitting: PageSession) -> None:
        """Let a page be drawn while time, memory and its process last; raises NotDrawn when one does not."""
        limit = self.settings.getfloat("RENDER_TIMEOUT")
        drawing = asyncio.ensure_future(rendering)
        crash = asyncio.ensure_future(sitting.crashed.wait())
        weight = asyncio.ensure_future(self._outgrown())
        tasks = (drawing, crash, weight)
        try:
            await asyncio.wait(tasks, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if drawing.done():
                drawing.result()
            elif crash.done():
                raise RenderError("the page's process crashed")
            elif weight.done():
                raise RenderError(f"the browser grew past {MAX_BROWSER_BYTES // 1024**2} MB")
            else:
                raise RenderError(f"it took longer than {limit:g} s")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT)

    async def _outgrown(self) -> None:
        """Ends when the browser weighs too much; it is killed then, while there is memory left."""
        while True:
            await asyncio.sleep(_WEIGHED_EVERY)
            process = self.renderer.browser_provider.process
            if process and await asyncio.to_thread(process.weight) > MAX_BROWSER_BYTES:
                process.kill()
                return

    async def _tidy(self, name: str, worn: bool) -> None:
        """Close the page's context; and the browser, when it is worn or does not let go of the page."""
        wrapper = self.renderer.context_wrappers.get(name)
        closed = wrapper is None or await _in_time(wrapper.context.close())
        if worn or not closed:
            await self._end_browser()

    async def _end_browser(self) -> None:
        """End Chromium, if need be with force; the next page starts a fresh one."""
        browser: Browser | None = getattr(self.renderer, "browser", None)
        if browser is None:
            return
        gone = asyncio.Event()
        browser.on("disconnected", lambda _: gone.set())
        closed = await _in_time(browser.close())
        process = self.renderer.browser_provider.process
        if process and not closed:
            process.kill()
        if browser.is_connected():
            await _in_time(gone.wait())

    def _prepared(self, request: Request, name: str, sitting: PageSession) -> Request:
        context = {
            "user_agent": self.settings["USER_AGENT"],
            "locale": "zh-CN",
            "timezone_id": "Asia/Shanghai",
            "service_workers": "block",
            "accept_downloads": False,
            "permissions": [],
        }
        return request.replace(
            meta={
                **request.meta,
                "playwright_context": name,
                "playwright_context_kwargs": context,
                "playwright_include_page": True,  # it is left and closed here, where that is bounded
                "playwright_page_init_callback": sitting.open,
                "playwright_page_goto_kwargs": {"wait_until": "commit"},
                "playwright_page_methods": [PageMethod(sitting.take)],
            }
        )


async def _in_time(closing: Awaitable[Any]) -> bool:
    """Whether something closed within its time; what was closed already counts as well."""
    try:
        with suppress(PlaywrightError):
            await asyncio.wait_for(closing, CLOSE_TIMEOUT)
    except TimeoutError:
        return False
    return True


def _outcome(request: Request, sitting: PageSession, error: Exception | None) -> Response:
    gate, drawn = sitting.gate, sitting.drawn
    if gate.miss:
        raise gate.miss
    if gate.redirect:
        redirect = gate.redirect
        return Response(request.url, redirect.status, dict(redirect.headers), request=request)
    if drawn is None or gate.page is None:
        raise _failure(request, gate, error)
    _note(request, gate, drawn)
    request.meta[EVALUATED] = drawn.evaluated
    headers, flags = dict(gate.page.headers), ["playwright"]
    return Response(request.url, gate.page.status, headers, drawn.body, flags, request)


def _failure(request: Request, gate: Gate, error: Exception | None) -> Exception:
    reason = gate.failure or str(error or "").strip().partition("\n")[0][:200] or "it was closed"
    told = f"the browser could not show {urlsplit(request.url).path}: {reason}"
    return RenderError(told) if isinstance(error, RenderError) else DownloadFailedError(told)


def _note(request: Request, gate: Gate, drawn: RenderedPage) -> None:
    address = scrub_log(request.url)
    if gate.refused_files:
        logger.warning("action=render_incomplete files=%d address=%s", gate.refused_files, address)
    if drawn.cut:
        logger.warning("action=state_too_large address=%s", address)
