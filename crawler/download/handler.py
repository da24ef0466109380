"""The download handler, the only way to the network: to WeChat's hosts, a stand-in, or a cassette."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from scrapy import Request
from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy_playwright.handler import ScrapyPlaywrightDownloadHandler

from archive.domain.errors import MessageError
from crawler.browser.renderer import Renderer
from crawler.cassettes.cassette import CassetteMiss, cassette_from
from crawler.download.middlewares import Origin, RunStopping
from crawler.requests import OVER_HTTP, SECRET


class ForbiddenAddress(MessageError, IgnoreRequest):
    """The address is not on a host that this crawl may send requests to."""


class NotRecorded(MessageError, IgnoreRequest):
    """The request holds a secret; those are not recorded, so the response cannot be replayed."""


class DownloadHandler(ScrapyPlaywrightDownloadHandler):  # type: ignore[misc]  # it has no types
    """Scrapy's own handler and scrapy-playwright's, behind one check of where a request goes."""

    lazy = False

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._own_crawler = crawler
        self.origin = Origin(crawler.settings.get("LOOPBACK") or "")
        self.cassette = cassette_from(crawler.settings)
        self.renderer = Renderer(self, crawler.settings)
        self.config.target_closed_max_retries = 0  # the retry middleware decides whether to try again

    async def download_request(self, request: Request) -> Response:
        """Return the response, still packed. Raises CassetteMiss, ForbiddenAddress or RunStopping."""
        spider = self._own_crawler.spider
        if not spider.may_ask(request.url):  # type: ignore[union-attr]  # a download has a spider
            raise ForbiddenAddress("crawler.fetch.forbidden", request=repr(request))
        stopping = spider.stopping_at(request.url)  # type: ignore[union-attr]
        if stopping or (self._own_crawler.engine and not self._own_crawler.engine.running):
            raise RunStopping("crawler.fetch.stopping", reason=stopping or "shutdown")
        try:
            if request.meta.get("playwright"):
                return await self.renderer.render(request)
            return await self.fetch(request)
        except CassetteMiss:
            spider.cassette_missed()  # type: ignore[union-attr]
            raise

    async def render(self, request: Request) -> Response:
        """Download with the browser, as scrapy-playwright does."""
        response: Response = await super().download_request(request)
        return response

    async def fetch(self, request: Request) -> Response:
        """Download as Scrapy does, or replay, without a check of the address. Raises CassetteMiss."""
        secret = bool(request.meta.get(SECRET))
        if self.cassette.replays and secret:
            raise NotRecorded("crawler.fetch.not_recorded")
        if self.cassette.replays:
            replayed = self.cassette.replay(request.method, request.url, _headers(request))
            return self._as_requested(request, replayed)
        over_http = bool(request.meta.get(OVER_HTTP))
        wired = request.replace(url=self.origin.wire(request.url, over_http=over_http))
        if self.origin.loopback:
            wired.meta.pop("proxy", None)
        response = await HTTP11DownloadHandler.download_request(self, wired)
        if "download_latency" in wired.meta:  # AutoThrottle reads it from the request it knows
            request.meta["download_latency"] = wired.meta["download_latency"]
        requested = self._as_requested(request, response)
        if self.cassette.records and not secret:
            self.cassette.record(request.method, request.url, _headers(request), requested)
        return requested

    def _as_requested(self, request: Request, response: Response) -> Response:
        """Return the response under the address requested. A plain Response, as its text is not read here."""
        headers = response.headers.copy()
        location = headers.get("Location")
        if location is not None:
            parts = urlsplit(request.url)  # what a relative location is relative to
            if request.meta.get(OVER_HTTP):
                parts = parts._replace(scheme="http")
            headers["Location"] = self.origin.location(urlunsplit(parts), location.decode("latin-1"))
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
        self.cassette.close()


def _headers(request: Request) -> dict[str, Any]:
    return {name.decode(): values[0].decode("latin-1") for name, values in request.headers.items() if values}
