"""The one door to the network: WeChat's own hosts, their stand-in on loopback, or a cassette."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from scrapy import Request
from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy_playwright.handler import ScrapyPlaywrightDownloadHandler

from crawler.browser.renderer import Browsing
from crawler.cassettes.cassette import CassetteMiss, tape_from
from crawler.download.hosts import Origin
from crawler.download.middlewares import RunStopping
from crawler.requests import OVER_HTTP, SECRET


class ForbiddenAddress(IgnoreRequest):
    """Something asked for an address elsewhere; nothing but what a crawl is for is ever fetched."""


class NotRecorded(IgnoreRequest):
    """A cassette holds no secrets, so what is asked with one cannot be replayed."""


class Transport(ScrapyPlaywrightDownloadHandler):  # type: ignore[misc]  # it has no types
    """Scrapy's own handler and scrapy-playwright's, behind one check of where a request goes."""

    lazy = False

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._mine = crawler
        self.origin = Origin(crawler.settings.get("LOOPBACK") or "")
        self.tape = tape_from(crawler.settings)
        self.browsing = Browsing(self, crawler.settings)
        self.config.target_closed_max_retries = 0  # whether to try a page again is decided elsewhere

    async def download_request(self, request: Request) -> Response:
        """One answer; its body still packed. Raises CassetteMiss, ForbiddenAddress or RunStopping."""
        spider = self._mine.spider
        if not spider.may_ask(request.url):  # type: ignore[union-attr]  # a download has a spider
            raise ForbiddenAddress(f"{request!r} is not on a host that is asked")
        stopping = spider.stopping_at(request.url)  # type: ignore[union-attr]
        if stopping or (self._mine.engine and not self._mine.engine.running):
            raise RunStopping("the run is stopping")
        try:
            if request.meta.get("playwright"):
                return await self.browsing.render(request)
            return await self.plain(request)
        except CassetteMiss:
            spider.cassette_missed()  # type: ignore[union-attr]
            raise

    async def render(self, request: Request) -> Response:
        """Scrapy-playwright's own way with a request."""
        response: Response = await super().download_request(request)
        return response

    async def plain(self, request: Request) -> Response:
        """Scrapy's own way with a request, or the cassette's answer to it; nobody asks whether it may be."""
        secret = bool(request.meta.get(SECRET))
        if self.tape.replays and secret:
            raise NotRecorded("what is asked with a secret is not recorded")
        if self.tape.replays:
            return self._as_asked(request, self.tape.replay(request.method, request.url, _headers(request)))
        over_http = bool(request.meta.get(OVER_HTTP))
        wired = request.replace(url=self.origin.wire(request.url, over_http=over_http))
        if self.origin.loopback:
            wired.meta.pop("proxy", None)
        response = await HTTP11DownloadHandler.download_request(self, wired)
        if "download_latency" in wired.meta:  # AutoThrottle reads it from the request it knows
            request.meta["download_latency"] = wired.meta["download_latency"]
        answer = self._as_asked(request, response)
        if self.tape.records and not secret:
            self.tape.record(request.method, request.url, _headers(request), answer)
        return answer

    def _as_asked(self, request: Request, response: Response) -> Response:
        """The answer under the address asked for. A bare Response: nobody here reads its text."""
        headers = response.headers.copy()
        location = headers.get("Location")
        if location is not None:
            headers["Location"] = self.origin.location(_on_the_wire(request), location.decode("latin-1"))
        return Response(
            request.url,
            status=response.status,
            headers=headers,
            body=response.body,
            flags=response.flags,
            request=request,
            protocol=response.protocol,
        )

    async def close(self) -> None:
        """Close the browser and write the cassette."""
        await super().close()
        self.tape.close()


def _on_the_wire(request: Request) -> str:
    """The address that was asked, of which a relative one is part."""
    parts = urlsplit(request.url)
    return urlunsplit(parts._replace(scheme="http")) if request.meta.get(OVER_HTTP) else request.url


def _headers(request: Request) -> dict[str, Any]:
    return {name.decode(): values[0].decode("latin-1") for name, values in request.headers.items() if values}
