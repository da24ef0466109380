"""Renders posts in Chromium, within bounds of time and memory that end the browser when need be."""

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
import structlog
from playwright.async_api import Browser, Page
from playwright.async_api import Error as PlaywrightError
from scrapy import Request
from scrapy.exceptions import DownloadFailedError
from scrapy.http import Response
from scrapy.settings import BaseSettings
from scrapy_playwright.page import PageMethod
from scrapy_playwright.provider import PlaywrightBrowserProvider

from archive.domain.errors import MessageError, first_line
from archive.domain.messages import Message
from crawler.browser.launch_options import REMEDY
from crawler.browser.request_gate import RequestGate
from crawler.browser.snapshot import RenderedPage, RenderError, take_snapshot
from crawler.redaction import scrub_log
from crawler.requests import EVALUATED

# Memory that is not shared, of all its processes: the heaviest real page brings it to 250 MB, and together
# with the rest of the crawl it is to stay under 1 GB.
MAX_BROWSER_BYTES = 400 * 1024 * 1024

_WEIGH_INTERVAL = 0.2  # seconds; a script fills some 200 MB meanwhile

LEAVE_TIMEOUT = 5_000  # milliseconds to leave a page after its snapshot

CLOSE_TIMEOUT = 5.0  # seconds for a page, or a browser, to close; then its processes are killed

logger = structlog.get_logger("crawler")

# It logs a traceback for every page that fails; the pipeline reports those in one line.
logging.getLogger("scrapy-playwright").setLevel(logging.ERROR)


class BrowserProcess:
    """Chromium's main process and its children; they are killed as one group."""

    def __init__(self, pid: int):
        self.pid = pid

    @classmethod
    async def of(cls, browser: Browser) -> "BrowserProcess":
        """Return the process behind a connection. Raises Playwright's errors."""
        session = await browser.new_browser_cdp_session()
        info = await session.send("SystemInfo.getProcessInfo")
        return cls(next(one["id"] for one in info["processInfo"] if one["type"] == "browser"))

    def weight(self) -> int:
        """Return the bytes of memory that are the browser's alone; 0 once it has ended."""
        weight = 0
        with suppress(psutil.Error):
            main = psutil.Process(self.pid)
            for process in (main, *main.children(recursive=True)):
                with suppress(psutil.Error):
                    memory = process.memory_info()
                    weight += int(memory.rss - getattr(memory, "shared", 0))
        return weight

    def kill(self) -> None:
        """Kill the whole group; does nothing when it is gone."""
        with suppress(ProcessLookupError):
            os.killpg(os.getpgid(self.pid), signal.SIGKILL)


class BrowserMissing(MessageError):
    """There is no Chromium that starts; the message says what to do."""


class LazyChromium(PlaywrightBrowserProvider):  # type: ignore[misc]  # it has no types
    """Starts Playwright with the first page instead of with every crawl."""

    process: BrowserProcess | None = None

    async def start(self) -> None:
        """Do nothing yet."""

    async def launch_browser(self) -> Browser:
        """Start Chromium. Raises BrowserMissing when there is none that starts."""
        try:
            if self.playwright is None:
                await super().start()
            browser: Browser = await super().launch_browser()
            self.process = await BrowserProcess.of(browser)
        except (PlaywrightError, OSError) as error:
            error_text = first_line(error)[:200]
            raise BrowserMissing("crawler.browser.missing", error=error_text, remedy=REMEDY) from error
        return browser


class BrowserHandler(Protocol):
    """The download handler as this module needs it: scrapy-playwright's, with a way to fetch files."""

    context_wrappers: dict[str, Any]
    browser_provider: LazyChromium

    async def render(self, request: Request) -> Response: ...

    async def fetch(self, request: Request) -> Response: ...


@dataclass
class PageSession:
    """One page in the browser, with its gate and its snapshot."""

    gate: RequestGate
    rendered: RenderedPage | None = None
    crashed: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self, page: Page, request: Request) -> None:
        """Prepare the page, before it is requested."""
        page.on("crash", lambda _: self.crashed.set())
        await self.gate.open(page, request)

    async def take(self, page: Page) -> None:
        """Take the snapshot, then leave the page, so that its scripts stop."""
        self.rendered = await take_snapshot(page, self.gate)
        await page.goto("about:blank", timeout=LEAVE_TIMEOUT)


@dataclass
class Renderer:
    """Renders posts through the handler, each in a context of its own that is closed afterwards."""

    handler: BrowserHandler
    settings: BaseSettings
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def render(self, request: Request) -> Response:
        """Return the page's DOM, or the redirect it met; its evaluated state is then in the request's meta.

        Raises BrowserMissing, CassetteMiss, RenderError, or DownloadFailedError when the connection or the
        browser failed, so that it is worth trying again.
        """
        async with self._lock:  # a page's time starts when the one before has ended
            return await self._render(request, next(self._numbers))

    async def _render(self, request: Request, number: int) -> Response:
        hosts = frozenset(self.settings.getlist("BROWSER_HOSTS"))
        page = PageSession(RequestGate(self.handler.fetch, hosts))
        name, error = f"page-{number}", None
        try:
            await self._bounded(self.handler.render(self._prepared(request, name, page)), page)
        except (PlaywrightError, RenderError, RuntimeError) as caught:  # RuntimeError: a download it refused
            error = caught
        finally:
            is_old = isinstance(error, RenderError) or number % self.settings.getint("PAGES_PER_BROWSER") == 0
            await self._close_page(name, is_old)
            gc.collect()  # few, but large: cycles of Playwright's objects hold megabytes of a page each
        return _response(request, page, error)

    async def _bounded(self, rendering: Awaitable[Response], page: PageSession) -> None:
        """Render a page within bounds of time and memory. Raises RenderError beyond them, or on a crash."""
        limit = self.settings.getfloat("RENDER_TIMEOUT")
        render = asyncio.ensure_future(rendering)
        crash = asyncio.ensure_future(page.crashed.wait())
        weight = asyncio.ensure_future(self._outgrow())
        tasks = (render, crash, weight)
        try:
            await asyncio.wait(tasks, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if render.done():
                render.result()
            elif crash.done():
                raise RenderError("crawler.browser.crashed")
            elif weight.done():
                raise RenderError("crawler.browser.too_large", limit=MAX_BROWSER_BYTES // 1024**2)
            else:
                raise RenderError("crawler.browser.too_slow", limit=f"{limit:g}")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT)

    async def _outgrow(self) -> None:
        """Return when the browser uses too much memory; it is killed then, while there is some left."""
        while True:
            await asyncio.sleep(_WEIGH_INTERVAL)
            process = self.handler.browser_provider.process
            if process and await asyncio.to_thread(process.weight) > MAX_BROWSER_BYTES:
                process.kill()
                return

    async def _close_page(self, name: str, is_old: bool) -> None:
        """Close the page's context; and the browser, when it is old or the page does not close."""
        wrapper = self.handler.context_wrappers.get(name)
        closed = wrapper is None or await _closes(wrapper.context.close())
        if is_old or not closed:
            await self._end_browser()

    async def _end_browser(self) -> None:
        """Close Chromium, or kill it; the next page starts a new one."""
        browser: Browser | None = getattr(self.handler, "browser", None)
        if browser is None:
            return
        gone = asyncio.Event()
        browser.on("disconnected", lambda _: gone.set())
        closed = await _closes(browser.close())
        process = self.handler.browser_provider.process
        if process and not closed:
            process.kill()
        if browser.is_connected():
            await _closes(gone.wait())

    def _prepared(self, request: Request, name: str, page: PageSession) -> Request:
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
                "playwright_include_page": True,  # it is closed here, where that is bounded
                "playwright_page_init_callback": page.open,
                "playwright_page_goto_kwargs": {"wait_until": "commit"},
                "playwright_page_methods": [PageMethod(page.take)],
            }
        )


async def _closes(closing: Awaitable[Any]) -> bool:
    """Tell whether something closes within CLOSE_TIMEOUT, or is closed already."""
    try:
        with suppress(PlaywrightError):
            await asyncio.wait_for(closing, CLOSE_TIMEOUT)
    except TimeoutError:
        return False
    return True


def _response(request: Request, page: PageSession, error: Exception | None) -> Response:
    gate, rendered = page.gate, page.rendered
    if gate.miss:
        raise gate.miss
    if gate.redirect:
        redirect = gate.redirect
        return Response(request.url, redirect.status, dict(redirect.headers), request=request)
    if rendered is None or gate.page is None:
        raise _failure(request, gate, error)
    _warn_if_incomplete(request, gate, rendered)
    request.meta[EVALUATED] = rendered.evaluated
    headers, flags = dict(gate.page.headers), ["playwright"]
    return Response(request.url, gate.page.status, headers, rendered.body, flags, request)


class RenderFailed(MessageError, DownloadFailedError):
    """The connection or the browser failed while a page was rendered; Scrapy retries it."""


def _failure(request: Request, gate: RequestGate, error: Exception | None) -> Exception:
    if gate.failure:
        reason: Message | str = gate.failure
    elif isinstance(error, MessageError):
        reason = error.message
    else:
        reason = (
            first_line(error)[:200] if error and str(error).strip() else Message("crawler.browser.closed")
        )
    params = {"path": urlsplit(request.url).path, "reason": reason}
    failure = RenderError if isinstance(error, RenderError) else RenderFailed
    return failure("crawler.browser.failed", **params)


def _warn_if_incomplete(request: Request, gate: RequestGate, rendered: RenderedPage) -> None:
    address = scrub_log(request.url)
    if gate.refused_files:
        logger.warning(
            "render incomplete", action="render_incomplete", files=gate.refused_files, address=address
        )
    if rendered.cut:
        logger.warning("state too large", action="state_too_large", address=address)
