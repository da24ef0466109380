"""What every crawl has: a worker, a run, a tally, and a way to stop for a reason."""

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
from crawler.items import FetchFailure
from crawler.parse.response import FetchedPage, header
from crawler.redaction import public_headers, scrub_url
from crawler.requests import ADDRESS_ID, EVALUATED, asked_url
from crawler.run_stats import Tally
from crawler.worker.pool import Worker, WorkerDied, workers_of

# Above Scrapy's own highest: it merges the command line's settings in once more, after the spider's.
OVER_ALL = 50

Headers = tuple[tuple[str, str], ...]


class ArchiveSpider(Spider):
    """A crawl for the archive; a subclass says what is wanted, where it may ask, what an answer is."""

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
        """Scrapy's way in; the worker process starts with the first call."""
        log.quiet_setup()
        spider = super().from_crawler(crawler, *args, **kwargs)
        spider.archive = Worker(ArchiveSettings(), workers_of(crawler.settings))
        return spider

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        """AutoThrottle follows the delay; a replay has nobody to be polite to."""
        super().update_settings(settings)
        if settings.get("CASSETTE_MODE") == "replay":
            settings.set("DOWNLOAD_DELAY", 0, priority=OVER_ALL)
        delay = settings.getfloat("DOWNLOAD_DELAY")
        settings.set("AUTOTHROTTLE_START_DELAY", delay, priority="spider")
        settings.set("AUTOTHROTTLE_ENABLED", delay > 0, priority="spider")

    async def start(self) -> AsyncIterator[Request]:
        """One request for each thing wanted."""
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
        """What to ask for, in order; the run is open then. Raises OSError or AddressError for wrong input."""
        raise NotImplementedError

    def may_ask(self, url: str) -> bool:
        """Whether this crawl may send a request to an address, also to one it is redirected to."""
        raise NotImplementedError

    def stopping_at(self, url: str) -> str:
        """Why nothing more is asked at an address; empty while it may be."""
        return self.stopping

    def has_got(self, request: Request) -> bool:
        """Whether this run has got already what is asked for."""
        return False

    def cassette_missed(self) -> None:
        """A cassette that is replayed lacks an answer: the run is not what was recorded, so it ends."""
        self.stop("cassette_miss")

    def answer_of(self, response: Response) -> FetchedPage:
        """An answer as it came; nothing is read of it here."""
        assert response.request is not None  # noqa: S101 - Scrapy has set it
        headers = _headers_of(response)
        return FetchedPage(
            address_id=response.request.meta.get(ADDRESS_ID),
            requested_url=asked_url(response),
            final_url=scrub_url(response.url),
            status=response.status,
            headers=headers,
            body=response.body,
            fetched_at=self._moment(headers),
            ended_openly="partial" in response.flags,
            rendered="playwright" in response.flags,
            evaluated=response.request.meta.get(EVALUATED),
        )

    def _moment(self, headers: Headers) -> datetime:
        """Now; in a replay the server's own Date, which is when the page was really fetched."""
        now = clock.now()
        if self.settings.get("CASSETTE_MODE") != "replay":
            return now
        try:
            moment = parsedate_to_datetime(header(headers, "date"))
        except ValueError:
            return now
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

    def failed(self, failure: Failure) -> Iterator[FetchFailure]:
        """Hand on that there was no answer, and why."""
        request: Request = failure.request  # type: ignore[attr-defined]  # set by Scrapy
        assert failure.value is not None  # noqa: S101 - Scrapy has set it
        yield FetchFailure(request, failure.value)

    def stop(self, reason: str) -> None:
        """Stop the run for this reason: from now on the transport sends nothing any more."""
        if not self.stopping:
            self.stopping = reason
            assert self.crawler.engine is not None  # noqa: S101 - Scrapy has set it
            self._closing = asyncio.ensure_future(self.crawler.engine.close_spider_async(reason=reason))


def _headers_of(response: Response) -> Headers:
    """An answer's headers, without secrets."""
    return public_headers(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, values in response.headers.items()
        for value in values
    )
