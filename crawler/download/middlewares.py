"""Downloader middlewares: requests dropped early, retries that wait, redirects within the allowed hosts."""

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import uniform
from typing import Self
from urllib.parse import urljoin, urlsplit, urlunsplit

import structlog
from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.redirect import RedirectMiddleware
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response

from archive.domain.addresses import HOST
from archive.domain.backoff import exponential
from archive.domain.errors import MessageError
from archive.system import clock
from crawler.redaction import scrub_log

_LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")

_OTHER_HOST = "/_host/"  # the stand-in's path for every host but mp.weixin.qq.com

# WeChat's own hosts for what posts show: mmbiz.qpic.cn, wx.qlogo.cn, res.wx.qq.com, mpvideo.qpic.cn …
MEDIA_DOMAINS = ("qpic.cn", "qlogo.cn", "wx.qq.com", "wxs.qq.com", "gtimg.cn", "gtimg.com")

_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


class OriginError(MessageError):
    """The configured loopback origin is not one."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The server that requests go to. `loopback` is empty for the real hosts."""

    loopback: str = ""

    def __post_init__(self) -> None:
        if not self.loopback:
            return
        parts = urlsplit(self.loopback)
        if parts.scheme not in ("http", "https") or parts.hostname not in _LOOPBACK_HOSTS:
            raise OriginError("crawler.settings.loopback", value=repr(self.loopback))

    def wire(self, url: str, *, over_http: bool = False) -> str:
        """Return the address to connect to for an address; `over_http`: without TLS."""
        if not self.loopback:
            return urlunsplit(urlsplit(url)._replace(scheme="http")) if over_http else url
        target, parts = urlsplit(self.loopback), urlsplit(url)
        path = parts.path if parts.netloc == HOST else f"{_OTHER_HOST}{parts.netloc}{parts.path}"
        return urlunsplit((target.scheme, target.netloc, path, parts.query, ""))

    def location(self, base: str, location: str) -> str:
        """Return a redirect's target as an absolute address; `base` is the address that was requested."""
        url = urljoin(base, location)
        parts = urlsplit(url)
        if self.loopback and parts.netloc == urlsplit(self.loopback).netloc:
            host, path = HOST, parts.path
            if path.startswith(_OTHER_HOST):
                host, slash, rest = path.removeprefix(_OTHER_HOST).partition("/")
                path = slash + rest
            return urlunsplit(("https", host, path, parts.query, ""))
        return over_tls(url)


def over_tls(url: str) -> str:
    """Return an http address of WeChat's as the https one, which all its hosts have; any other as it is."""
    parts = urlsplit(url)
    known = parts.netloc == HOST or _is_media_host(parts.netloc)
    return urlunsplit(parts._replace(scheme="https")) if known and parts.scheme == "http" else url


def may_hold_media(url: str) -> bool:
    """Tell whether media may be requested at an address: https on a host of WeChat's, no port, no user."""
    parts = urlsplit(url)
    return parts.scheme == "https" and (parts.netloc == HOST or _is_media_host(parts.netloc))


def _is_media_host(host: str) -> bool:
    """Tell whether this is a name below one of the domains; with a port or a user it is not."""
    name = host.lower()
    return bool(_HOST_NAME.fullmatch(name)) and any(name.endswith(f".{domain}") for domain in MEDIA_DOMAINS)


def is_allowed(url: str) -> bool:
    """Tell whether a post may be requested at an address: https on mp.weixin.qq.com, no port, no user."""
    parts = urlsplit(url)
    return parts.scheme == "https" and parts.netloc == HOST


logger = structlog.get_logger("crawler")

FIRST_PAUSE = timedelta(seconds=2)  # before the first retry, doubling with each

MAX_PAUSE = timedelta(minutes=1)

MAX_RETRY_AFTER = 120.0  # seconds a run waits when the server says how long; longer is for the next run

_POLL = 0.25  # seconds; how soon a pause notices that the run is stopping


class RunStopping(MessageError, IgnoreRequest):
    """The run, or its work at this host, is being stopped: no more requests are sent."""


class AlreadyFetched(MessageError, IgnoreRequest):
    """The post was fetched in this run, at another of its addresses."""


def retry_after(value: bytes | None, now: datetime) -> float | None:
    """Return the seconds that the header asks to wait, a number or a date; None when it says nothing."""
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
    """Drops requests that are no longer wanted, before they wait for their turn at the host."""

    def __init__(self, crawler: Crawler):
        self._crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Create the middleware for Scrapy."""
        return cls(crawler)

    def process_request(self, request: Request, spider: Spider | None = None) -> None:
        """Let the request pass, or raise RunStopping or AlreadyFetched."""
        stopping = self._crawler.spider.stopping_at(request.url)  # type: ignore[union-attr]  # it is there
        if stopping:
            raise RunStopping("crawler.fetch.stopping", reason=stopping)
        if self._crawler.spider.has_got(request):  # type: ignore[union-attr]
            raise AlreadyFetched("crawler.fetch.already_fetched")


class RetryAfterMiddleware(RetryMiddleware):
    """Scrapy's retries, each after a pause: as long as Retry-After says, else doubling.

    The request stays in the downloader during the pause, so that no other one is sent meanwhile.
    """

    async def process_response(  # type: ignore[override]  # Scrapy takes coroutines here
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        """Retry after a transient status, unless the server asks to wait longer than a run does."""
        wait = retry_after(response.headers.get("Retry-After"), clock.now())
        if wait is not None and wait > MAX_RETRY_AFTER:
            return response
        retry = super().process_response(request, response)
        if isinstance(retry, Request):
            await self._pause(retry, wait)
        return retry

    async def process_exception(  # type: ignore[override]
        self, request: Request, exception: Exception, spider: Spider | None = None
    ) -> Request | Response | None:
        """Retry after a failed connection."""
        retry = super().process_exception(request, exception)
        if isinstance(retry, Request):
            await self._pause(retry, None)
        return retry

    async def _pause(self, request: Request, wait: float | None) -> None:
        if self.crawler.settings.get("CASSETTE_MODE") == "replay":
            return
        first = min(FIRST_PAUSE, timedelta(seconds=self.crawler.settings.getfloat("DOWNLOAD_DELAY")))
        left = retry_pause(request.meta["retry_times"], first) if wait is None else wait
        while left > 0 and self.crawler.engine and self.crawler.engine.running:
            await asyncio.sleep(min(left, _POLL))
            left -= _POLL


class SameHostRedirect(RedirectMiddleware):
    """Scrapy's redirects, followed only where this crawl may send requests; any other is the response."""

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        """Follow the redirect, or return it as the response."""
        result = super().process_response(request, response)
        if not isinstance(result, Request):
            return result
        if not self.crawler.spider.may_ask(result.url):  # type: ignore[union-attr]  # it has one by now
            target = scrub_log(result.url[:200])
            logger.warning("redirect refused", action="redirect_refused", target=target)
            assert self.crawler.stats is not None  # noqa: S101 - Scrapy has set it
            self.crawler.stats.inc_value("redirect/refused")
            return response
        return result.replace(
            dont_filter=True
        )  # several posts may redirect to one page, such as the verification page
