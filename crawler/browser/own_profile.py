"""Opens pages in the user's own browser profile: to let a person sign in, and to see what a page receives.

Nothing is clicked or typed, and no request is made but those of the pages themselves.
"""

import asyncio
import html
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Page, Response, Route, async_playwright
from playwright.async_api import Error as PlaywrightError

from archive.domain.errors import MessageError, first_line
from archive.domain.messages import Message
from crawler.browser.launch_options import LAUNCH_TIMEOUT, REMEDY
from crawler.browser.renderer import CLOSE_TIMEOUT, BrowserMissing
from crawler.discovery.source import PageVisit, Reply
from crawler.discovery.weread_login import ProfileBusy
from crawler.download.middlewares import Origin
from crawler.parse.response import MAX_PAGE_BYTES
from crawler.redaction import scrub_log

LIST_TIMEOUT = 30.0  # seconds for the wanted response, once the page is there

VISIT_TIMEOUT = 90.0  # seconds for a whole visit, with the browser's start and end

OPEN_TIMEOUT = 30_000  # milliseconds to open a page

LOOK_INTERVAL = 0.5  # seconds between two looks at the page of a sign-in, or at one that receives nothing

MAX_NOTICE = 20_000  # characters of a page's visible text

_ARGUMENTS = (
    "--disable-background-networking",
    "--disable-dev-shm-usage",  # containers give /dev/shm only 64 MB
    "--disable-gpu",
    "--disk-cache-size=52428800",  # bytes; the profile stays, and would grow
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--block-new-web-contents",  # pop-ups
    "--deny-permission-prompts",
)

_NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND"  # where a server on loopback answers every request

# What a page says that wants a person: no list comes after that.
_NOTICE = re.compile("验证码|安全验证|拖动滑块|扫码登录|微信扫码|请先登录|重新登录")

_BUSY = re.compile("ProcessSingleton|SingletonLock|already in use|profile appears to be in use")


class NobodySignedIn(MessageError):
    """Nobody scanned the code in time."""


@dataclass(frozen=True)
class BrowserSettings:
    """How to start Chromium: Scrapy's launch options, the name it gives, a server on loopback for tests."""

    launch: Mapping[str, Any]
    user_agent: str
    loopback: str = ""
    headed: bool = False


@asynccontextmanager
async def open_profile(profile: Path, settings: BrowserSettings) -> AsyncIterator[BrowserContext]:
    """Start Chromium with a profile, and end it afterwards. Raises BrowserMissing or ProfileBusy."""
    arguments = [*_ARGUMENTS, *([_NO_NETWORK] if settings.loopback else [])]
    async with async_playwright() as playwright:
        try:
            context = await playwright.chromium.launch_persistent_context(
                profile,
                headless=not settings.headed,
                executable_path=settings.launch.get("executable_path"),
                chromium_sandbox=settings.launch.get("chromium_sandbox", True),
                args=arguments,
                timeout=LAUNCH_TIMEOUT,
                user_agent=settings.user_agent,
                locale="zh-CN",
                timezone_id="Asia/Shanghai",
                accept_downloads=False,
                permissions=[],
            )
        except (PlaywrightError, OSError) as error:
            raise _not_started(profile, error) from error
        try:
            if settings.loopback:
                await _answer_from(context, Origin(settings.loopback))
            yield context
        finally:
            with suppress(PlaywrightError, TimeoutError):  # what is left ends with Playwright
                await asyncio.wait_for(context.close(), CLOSE_TIMEOUT)


def _not_started(profile: Path, error: Exception) -> MessageError:
    if _BUSY.search(str(error)):
        return ProfileBusy("crawler.weread.profile_busy", path=profile)
    return BrowserMissing("crawler.browser.missing", error=first_line(error)[:200], remedy=REMEDY)


async def _answer_from(context: BrowserContext, origin: Origin) -> None:
    """Answer every request of a context from a server on loopback."""

    async def answer(route: Route) -> None:
        with suppress(PlaywrightError):  # the page may be gone by now
            request = route.request
            headers = await request.all_headers()
            response = await route.fetch(url=origin.wire(request.url), headers=headers, max_redirects=0)
            await route.fulfill(response=response)

    await context.route("**/*", answer)


async def visit_page(url: str, visit: PageVisit, settings: BrowserSettings) -> Reply:
    """Open a page in a profile, and return the response of it that is wanted.

    Where none comes, but the page wants a person, the reply is what it shows; otherwise it holds an error.
    """
    no_list = Message("crawler.weread.no_list_seen", {"seconds": f"{LIST_TIMEOUT:g}"})
    try:
        with visit.hold():
            async with asyncio.timeout(VISIT_TIMEOUT), open_profile(visit.profile, settings) as context:
                await _add_cookies(context, url, visit.cookies)
                page = context.pages[0] if context.pages else await context.new_page()
                reply = await _wanted_reply(page, url, visit.response_path)
                visit.save_cookies(await cookies_of(context, url))
                return reply or Reply(error=no_list)
    except MessageError as error:
        return Reply(error=error.message)
    except TimeoutError:
        return Reply(error=no_list)
    except (PlaywrightError, OSError) as error:
        reason = scrub_log(first_line(error)[:200])
        return Reply(error=Message("crawler.weread.page_failed", {"reason": reason}))


async def _wanted_reply(page: Page, url: str, path: str) -> Reply | None:
    """Open an address, and return the first response of this path that its page receives from its host."""
    wanted: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    def see(response: Response) -> None:
        parts = urlsplit(response.url)
        if (parts.netloc, parts.path) == (urlsplit(url).netloc, path) and not wanted.done():
            wanted.set_result(response)

    page.on("response", see)
    await page.goto(url, wait_until="domcontentloaded", timeout=OPEN_TIMEOUT)
    with suppress(TimeoutError):
        async with asyncio.timeout(LIST_TIMEOUT):
            while not wanted.done():
                await asyncio.wait((wanted,), timeout=LOOK_INTERVAL)
                if not wanted.done() and (notice := await _notice(page)):
                    return Reply(200, url, (("Content-Type", "text/html"),), notice)
            return await _reply(wanted.result())
    return None


async def _reply(response: Response) -> Reply:
    body = await response.body()
    if len(body) > MAX_PAGE_BYTES:
        return Reply(error=Message("crawler.weread.list_too_large", {"limit": MAX_PAGE_BYTES // 2**20}))
    return Reply(response.status, response.url, (), body)


async def _notice(page: Page) -> bytes:
    """Return what a page shows that wants a person, as a page of its text; empty where it wants none."""
    text = (await page.locator("body").inner_text())[:MAX_NOTICE]
    return f"<html><body>{html.escape(text)}</body></html>".encode() if _NOTICE.search(text) else b""


async def cookies_of(context: BrowserContext, url: str) -> dict[str, str]:
    """Return the cookies that a profile has for an address."""
    return {one["name"]: one["value"] for one in await context.cookies(url)}


async def _add_cookies(context: BrowserContext, url: str, cookies: Mapping[str, str]) -> None:
    """Give the profile the session as it was renewed since, where it has another one."""
    known = {one["name"]: one for one in await context.cookies(url)}
    host = urlsplit(url).netloc
    for name, value in cookies.items():
        before = known.get(name)
        if before is None or before["value"] != value:
            domain = before["domain"] if before else f".{host}"
            await context.add_cookies(
                [{"name": name, "value": value, "domain": domain, "path": "/", "secure": True}]
            )


@dataclass(frozen=True)
class SignIn:
    """A sign-in by a code that a person scans.

    `url`: the page with the code; `codes`: selectors of the code, the likeliest first; `needed`: the cookies
    that only somebody who has signed in has; `show` is given an image (PNG) of the code whenever it changes.
    """

    url: str
    codes: tuple[str, ...]
    needed: frozenset[str]
    show: Callable[[bytes], None]


async def sign_in(profile: Path, settings: BrowserSettings, how: SignIn, seconds: float) -> dict[str, str]:
    """Let a person sign in within so many seconds; return the cookies of the session.

    Raises NobodySignedIn, BrowserMissing, ProfileBusy, or Playwright's errors.
    """
    async with open_profile(profile, settings) as context:
        page = context.pages[0] if context.pages else await context.new_page()
        await page.goto(how.url, wait_until="domcontentloaded", timeout=OPEN_TIMEOUT)
        shown = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    cookies = await cookies_of(context, how.url)
                    if all(cookies.get(name) for name in how.needed):
                        return cookies
                    image = await _code_image(page, how.codes)
                    if image and image != shown:
                        how.show(image)
                        shown = image
                    await asyncio.sleep(LOOK_INTERVAL)
    code = "crawler.weread.nobody_scanned" if shown else "crawler.weread.no_code_shown"
    raise NobodySignedIn(code, seconds=round(seconds))


async def _code_image(page: Page, selectors: tuple[str, ...]) -> bytes:
    """Return an image of the code on a page; empty while there is none."""
    for selector in selectors:
        code = page.locator(selector).first
        with suppress(PlaywrightError):  # the page may change meanwhile
            if await code.is_visible():
                return await code.screenshot(timeout=OPEN_TIMEOUT)
    return b""
