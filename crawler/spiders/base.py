"""The base class of all spiders: it opens a run, counts results, and can stop the crawl for a reason."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self

from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider
from scrapy.http import Response
from scrapy.settings import BaseSettings
from sqlalchemy.exc import SQLAlchemyError
from twisted.python.failure import Failure

from archive.db.settings import ArchiveSettings
from archive.domain.errors import AddressError, ArchiveError
from archive.system import clock
from crawler import log
from crawler.parse.response import FetchedPage, header
from crawler.pipelines.base import FetchFailure
from crawler.redaction import public_headers, scrub_url
from crawler.requests import ADDRESS_ID, EVALUATED, requested_url
from crawler.run_stats import Tally
from crawler.worker.pool import Worker, WorkerDied, workers_of

# Above Scrapy's own highest: it applies the command line's settings once more, after the spider's.
HIGHEST_PRIORITY = 50


class ArchiveSpider(Spider):
    """A crawl for the archive. Subclasses say what to request, on which hosts, and what to make of it."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.run_id = 0
        self.wanted = 0
        self.tally = Tally()
        self.stopping = ""
        self.archive: Worker
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        """Create the spider for Scrapy; its worker process starts with the first call."""
        log.quiet_setup()
        spider = super().from_crawler(crawler, *args, **kwargs)
        spider.archive = Worker(ArchiveSettings(), workers_of(crawler.settings))
        return spider

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        """Start AutoThrottle at the download delay, and leave out the delay in a replay."""
        super().update_settings(settings)
        if settings.get("CASSETTE_MODE") == "replay":
            settings.set("DOWNLOAD_DELAY", 0, priority=HIGHEST_PRIORITY)
        delay = settings.getfloat("DOWNLOAD_DELAY")
        settings.set("AUTOTHROTTLE_START_DELAY", delay, priority="spider")
        settings.set("AUTOTHROTTLE_ENABLED", delay > 0, priority="spider")

    async def start(self) -> AsyncIterator[Request]:
        """Yield the requests of `requests()`; an error there closes the spider with its reason."""
        try:
            requests = await self.requests()
        except (AddressError, OSError) as error:
            log.crawl_failed("run_refused", error)
            raise CloseSpider("usage") from error
        except (ArchiveError, SQLAlchemyError, WorkerDied) as error:
            log.crawl_failed("database_failed", error)
            raise CloseSpider("database") from error
        self.wanted = self.wanted or len(requests)
        log.run_started(self.run_id, self.wanted)
        for request in requests:
            yield request.replace(callback=self.parse, errback=self.failed)

    async def requests(self) -> list[Request]:
        """Open the run and return its requests, in order.

        Raises OSError or AddressError for wrong input, and what the database raises.
        """
        raise NotImplementedError

    def may_ask(self, url: str) -> bool:
        """Tell whether this crawl may send a request to an address, also after a redirect."""
        raise NotImplementedError

    def stopping_at(self, url: str) -> str:
        """Return why no more requests are sent to an address; empty while they are."""
        return self.stopping

    def has_got(self, request: Request) -> bool:
        """Tell whether this run has already got what the request is for."""
        return False

    def cassette_missed(self) -> None:
        """Stop the run: a cassette without the response is not the recording of this run."""
        self.stop("cassette_miss")

    def fetched_page(self, response: Response) -> FetchedPage:
        """Return a response as it was received, without secrets in its headers and addresses."""
        assert response.request is not None  # noqa: S101 - Scrapy has set it
        headers = public_headers(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, values in response.headers.items()
            for value in values
        )
        return FetchedPage(
            address_id=response.request.meta.get(ADDRESS_ID),
            requested_url=requested_url(response),
            final_url=scrub_url(response.url),
            status=response.status,
            headers=headers,
            body=response.body,
            fetched_at=self._fetch_time(headers),
            ended_openly="partial" in response.flags,
            rendered="playwright" in response.flags,
            evaluated=response.request.meta.get(EVALUATED),
        )

    def _fetch_time(self, headers: tuple[tuple[str, str], ...]) -> datetime:
        """Return now; in a replay the server's own Date, which is when the page was really fetched."""
        now = clock.now()
        if self.settings.get("CASSETTE_MODE") != "replay":
            return now
        try:
            moment = parsedate_to_datetime(header(headers, "date"))
        except ValueError:
            return now
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

    def failed(self, failure: Failure) -> Iterator[FetchFailure]:
        """Yield a request that got no response, with the error."""
        request: Request = failure.request  # type: ignore[attr-defined]  # set by Scrapy
        assert failure.value is not None  # noqa: S101 - Scrapy has set it
        yield FetchFailure(request, failure.value)

    def stop(self, reason: str) -> None:
        """Stop the run for this reason: from now on the download handler sends no request."""
        if not self.stopping:
            self.stopping = reason
            assert self.crawler.engine is not None  # noqa: S101 - Scrapy has set it
            self._closing = asyncio.ensure_future(self.crawler.engine.close_spider_async(reason=reason))
