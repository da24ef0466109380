"""The one spider: fetches posts at addresses that are due, or that were given."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider
from scrapy.http import Response
from scrapy.settings import BaseSettings
from sqlalchemy.exc import SQLAlchemyError
from twisted.python.failure import Failure

from archive.config import ArchiveSettings
from archive.errors import AddressError, ArchiveError
from archive.queries import DueAddress
from crawler import worker
from crawler.answer import Answer, header
from crawler.monitors import Tally
from crawler.offload import Worker, WorkerDied, workers_of
from crawler.pipelines import Refusal
from crawler.recovery import read_what_was_kept
from crawler.report import quiet_setup
from crawler.requests import ADDRESS_ID, asked_url, post_request
from crawler.scrub import public_headers, scrub_log, scrub_url

MAX_ADDRESSES = 20_000  # of one run: 33 hours at 6 s each; the rest stays due for the next
MAX_LIST_BYTES = 16 * 1024 * 1024

logger = logging.getLogger("crawler")


class PostsSpider(Spider):
    """`-a run=ID`: what is due of that run; `-a urls=URL,URL` or `=FILE`: these; neither: all that is due."""

    name = "posts"

    def __init__(self, run: str | None = None, urls: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.run_id = int(run) if run else 0
        self.urls = urls
        self.wanted = 0
        self.tally = Tally()
        self.stopping = ""
        self.archive: Worker
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> "PostsSpider":
        """Scrapy's way in; the worker process starts with the first call."""
        quiet_setup()
        spider = super().from_crawler(crawler, *args, **kwargs)
        spider.archive = Worker(ArchiveSettings(), workers_of(crawler.settings))
        return spider

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        """AutoThrottle follows the delay; a replay has nobody to be polite to."""
        super().update_settings(settings)
        if settings.get("CASSETTE_MODE") == "replay":
            settings.set("DOWNLOAD_DELAY", 0, priority="cmdline")
        delay = settings.getfloat("DOWNLOAD_DELAY")
        settings.set("AUTOTHROTTLE_START_DELAY", delay, priority="spider")
        settings.set("AUTOTHROTTLE_ENABLED", delay > 0, priority="spider")

    async def start(self) -> AsyncIterator[Request]:
        """One request for each address wanted."""
        try:
            addresses = await self._addresses()
        except (AddressError, OSError) as error:
            logger.error("action=run_refused reason=%s", scrub_log(str(error)))
            raise CloseSpider("usage") from error
        except (ArchiveError, SQLAlchemyError, WorkerDied) as error:
            logger.error("action=database_failed reason=%s", str(error).partition("\n")[0])
            raise CloseSpider("database") from error
        self.wanted = len(addresses)
        logger.info("action=run_started run=%d wanted=%d", self.run_id, self.wanted)
        for address in addresses:
            request = post_request(address)
            yield request.replace(callback=self.parse, errback=self.failed)

    async def _addresses(self) -> list[DueAddress]:
        await self.archive.warm_up()
        now = datetime.now(UTC)
        only_this_run = self.run_id or None
        if not self.run_id:
            arguments = {"urls": scrub_log(self.urls or "")[:2000]}
            self.run_id = await self.archive.call(worker.open_run, "scrapy crawl posts", arguments, now)
        await read_what_was_kept(self.archive, self.run_id, now)
        if self.urls:
            return await self.archive.call(worker.sight, self.run_id, listed(self.urls), now)
        return await self.archive.call(worker.due, only_this_run, MAX_ADDRESSES, now)

    def parse(self, response: Response, **_: Any) -> Iterator[Answer]:
        """Hand the answer on, whatever it is; nothing is read here."""
        assert response.request is not None  # noqa: S101 - Scrapy has set it
        headers = public_headers(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, values in response.headers.items()
            for value in values
        )
        yield Answer(
            address_id=response.request.meta.get(ADDRESS_ID),
            requested_url=asked_url(response),
            final_url=scrub_url(response.url),
            status=response.status,
            headers=headers,
            body=response.body,
            fetched_at=self._moment(headers),
            ended_openly="partial" in response.flags,
            rendered="playwright" in response.flags,
        )

    def _moment(self, headers: tuple[tuple[str, str], ...]) -> datetime:
        """Now; in a replay the server's own Date, which is when the page was really fetched."""
        now = datetime.now(UTC)
        if self.settings.get("CASSETTE_MODE") != "replay":
            return now
        try:
            moment = parsedate_to_datetime(header(headers, "date"))
        except ValueError:
            return now
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

    def failed(self, failure: Failure) -> Iterator[Refusal]:
        """Hand on that there was no answer, and why."""
        request: Request = failure.request  # type: ignore[attr-defined]  # set by Scrapy
        assert failure.value is not None  # noqa: S101 - Scrapy has set it
        yield Refusal(request, failure.value)

    def stop(self, reason: str) -> None:
        """Stop the run for this reason: from now on the transport sends nothing any more."""
        if not self.stopping:
            self.stopping = reason
            assert self.crawler.engine is not None  # noqa: S101 - Scrapy has set it
            self._closing = asyncio.ensure_future(self.crawler.engine.close_spider_async(reason=reason))


def listed(urls: str) -> list[str]:
    """The addresses of `-a urls=`: a comma-separated list, or a file with one a line."""
    if "://" in urls:
        return [url.strip() for url in urls.split(",") if url.strip()]
    path = Path(urls)
    if path.stat().st_size > MAX_LIST_BYTES:
        raise OSError(f"{path} is over {MAX_LIST_BYTES} bytes; split it")
    lines = (line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines())
    return [line for line in lines if line and not line.startswith("#")]
