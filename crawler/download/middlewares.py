"""Retries that wait, and redirects that stay where a crawl may ask."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import uniform
from typing import Self

from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.redirect import RedirectMiddleware
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response

from archive.domain.backoff import exponential
from archive.system import clock
from crawler.redaction import scrub_log

logger = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(seconds=2)  # before the first retry, doubling with each

MAX_PAUSE = timedelta(minutes=1)

MAX_RETRY_AFTER = 120.0  # seconds a run waits for a server that says how long; longer is for the next run

_POLL = 0.25  # seconds; how soon a pause notices that the run is stopping


class RunStopping(IgnoreRequest):
    """The run, or its work at this host, is being stopped, so nothing more is asked."""


class FetchedAlready(IgnoreRequest):
    """What is asked for has come in this run, at another address."""


def retry_after(value: bytes | None, now: datetime) -> float | None:
    """Seconds the server asks to wait, from the header's number or date; None when it says nothing."""
    if not value:
        return None
    text = value.decode("latin-1").strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def retry_pause(tries: int, first: timedelta) -> float:
    """Return the seconds to wait before retry number `tries`: doubling, with a tenth of jitter."""
    pause = exponential(tries, first, MAX_PAUSE).total_seconds()
    return pause * uniform(0.9, 1.1)  # noqa: S311 - no secret


class DropUnwantedRequests:
    """Lets go of what a crawl asks no more, before it waits for its turn at the host."""

    def __init__(self, crawler: Crawler):
        self._crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's way in."""
        return cls(crawler)

    def process_request(self, request: Request, spider: Spider | None = None) -> None:
        """Nothing, or RunStopping or FetchedAlready."""
        stopping = self._crawler.spider.stopping_at(request.url)  # type: ignore[union-attr]  # it is there
        if stopping:
            raise RunStopping(f"nothing more is asked there ({stopping})")
        if self._crawler.spider.has_got(request):  # type: ignore[union-attr]
            raise FetchedAlready("the post was fetched at another address of it")


class RetryAfterMiddleware(RetryMiddleware):
    """Scrapy's retries, each after a pause: the server's own Retry-After, or a doubling one.

    The pause holds the request's place in the downloader, so that nothing else is asked meanwhile.
    """

    async def process_response(  # type: ignore[override]  # Scrapy takes coroutines here
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        """Ask again after a transient status, unless the server wants more patience than a run has."""
        wait = retry_after(response.headers.get("Retry-After"), clock.now())
        if wait is not None and wait > MAX_RETRY_AFTER:
            return response
        again = super().process_response(request, response)
        if isinstance(again, Request):
            await self._pause(again, wait)
        return again

    async def process_exception(  # type: ignore[override]
        self, request: Request, exception: Exception, spider: Spider | None = None
    ) -> Request | Response | None:
        """Ask again after a failure of the line."""
        again = super().process_exception(request, exception)
        if isinstance(again, Request):
            await self._pause(again, None)
        return again

    async def _pause(self, request: Request, wait: float | None) -> None:
        if self.crawler.settings.get("CASSETTE_MODE") == "replay":
            return
        first = min(FIRST_PAUSE, timedelta(seconds=self.crawler.settings.getfloat("DOWNLOAD_DELAY")))
        left = retry_pause(request.meta["retry_times"], first) if wait is None else wait
        while left > 0 and self.crawler.engine and self.crawler.engine.running:
            await asyncio.sleep(min(left, _POLL))
            left -= _POLL


class SameHostRedirect(RedirectMiddleware):
    """Scrapy's redirects, followed only where this crawl may ask; any other 30x answer is itself kept."""

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        """Follow, or hand the redirect itself on as the answer."""
        result = super().process_response(request, response)
        if not isinstance(result, Request):
            return result
        if not self.crawler.spider.may_ask(result.url):  # type: ignore[union-attr]  # it has one by now
            logger.warning("action=redirect_refused target=%s", scrub_log(result.url[:200]))
            assert self.crawler.stats is not None  # noqa: S101 - Scrapy has set it
            self.crawler.stats.inc_value("redirect/refused")
            return response
        return result.replace(dont_filter=True)  # the target may be everybody's, like the verification page
