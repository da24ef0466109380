"""The pipeline of posts: the worker stores and parses each page, and this acts on what the page is."""

import asyncio
from collections.abc import Sequence

import structlog
from scrapy.crawler import Crawler

from archive.domain.errors import error_message
from archive.domain.messages import Message
from archive.domain.outcomes import Outcome
from archive.system import clock
from crawler import log
from crawler.browser.renderer import BrowserMissing
from crawler.cassettes.cassette import CassetteMiss
from crawler.download.middlewares import AlreadyFetched, RunStopping
from crawler.parse.page import AGREEMENT
from crawler.parse.response import FetchedPage
from crawler.pipelines.base import FetchFailure, Pipeline, parse_unparsed
from crawler.process.entry import PageDone
from crawler.redaction import scrub_log, scrub_message
from crawler.requests import ADDRESS_ID, REQUESTED_URL, rendered_request
from crawler.worker import tasks
from crawler.worker.pool import Batches, WorkerDied, workers_of

# In a row, each after its retries: the connection is down, and going on would use up the addresses' tries.
MAX_FAILURES_IN_A_ROW = 5

logger = structlog.get_logger("crawler")


class PostPipeline(Pipeline):
    """Passes pages to the worker in batches, and acts on what they turn out to be."""

    def __init__(self, crawler: Crawler):
        super().__init__(crawler)
        self._in_a_row = 0
        self._recovering = asyncio.Lock()
        self._browser_missing = False
        workers = workers_of(crawler.settings)
        self._pages: Batches[FetchedPage, tasks.PageResult] = Batches(
            self._store, lambda page: len(page.body), at_once=workers
        )
        self._failures: Batches[tasks.Failure, None] = Batches(self._record_failures, lambda _: 1)

    async def _process(self, item: FetchedPage | FetchFailure) -> None:
        if isinstance(item, FetchedPage):
            await self._process_page(item)
        else:
            await self._process_failure(item)

    async def _store(self, pages: list[FetchedPage]) -> list[tasks.PageResult]:
        spider = self._spider
        try:
            return await spider.archive.call(tasks.store_pages, spider.run_id, pages, clock.now())
        except WorkerDied as death:
            return await self._recover(pages, death)

    async def _recover(self, pages: Sequence[FetchedPage], death: WorkerDied) -> list[tasks.PageResult]:
        """Parse what the dead worker had stored; what it had not stays due for another run."""
        if self._may_continue_after_death(len(pages)):
            spider = self._spider
            async with self._recovering:
                await parse_unparsed(spider.archive, spider.run_id, clock.now())
        return [tasks.PageResult(damage=death.message, interrupted=True)] * len(pages)

    async def _record_failures(self, failures: list[tasks.Failure]) -> list[None]:
        spider = self._spider
        await spider.archive.call(tasks.record_unreached, spider.run_id, failures, clock.now())
        return [None] * len(failures)

    async def _process_page(self, page: FetchedPage) -> None:
        self._in_a_row = 0
        result = await self._pages.put(page)
        if result.damage:
            await self._fail(page.address_id, page.requested_url, result.damage, result.interrupted)
            return
        self._tally.record(page.address_id, str(result.outcome), result.stored)
        self._spider.got.add(result.key)  # type: ignore[attr-defined]  # the spider of posts has it
        log.page_fetched(_page_done(self._tally.done, page, result))
        if result.agreement is not None and result.agreement < AGREEMENT:
            self._tally.count("render_disagrees")
            address = scrub_log(page.requested_url)
            share = round(result.agreement, 3)
            logger.warning("render disagrees", action="render_disagrees", share=share, address=address)
        if result.outcome.blocks:
            self._spider.stop(str(result.outcome))
        elif result.needs_browser and not page.rendered:
            self._render(page)

    def _render(self, page: FetchedPage) -> None:
        if self._browser_missing:
            self._tally.count("browser_missing")
            return
        spider, engine = self._spider, self._crawler.engine
        assert engine is not None  # noqa: S101 - Scrapy has set it
        request = rendered_request(page.address_id, page.requested_url)
        engine.crawl(request.replace(callback=spider.parse, errback=spider.failed))

    async def _process_failure(self, failure: FetchFailure) -> None:
        meta, error = failure.request.meta, failure.error
        if isinstance(error, RunStopping):
            self._tally.count("not_asked")
        elif isinstance(error, AlreadyFetched):
            self._tally.record(meta.get(ADDRESS_ID), str(Outcome.ARTICLE), "known")
        elif isinstance(error, BrowserMissing):
            if not self._browser_missing:
                logger.warning("browser missing", action="browser_missing", reason=str(error))
            self._browser_missing = True
            self._tally.count("browser_missing")
        elif meta.get("playwright"):
            self._tally.count("browser_failed")
            reason = scrubbed_message(error).dump()
            log.page_failed(PageDone(self._tally.done, address=meta[REQUESTED_URL], reason=reason))
        else:
            # a gap in a cassette says nothing about the address
            missed = isinstance(error, CassetteMiss)
            await self._fail(meta.get(ADDRESS_ID), meta[REQUESTED_URL], scrubbed_message(error), missed)
            self._in_a_row += 1
            if self._in_a_row >= MAX_FAILURES_IN_A_ROW:
                self._spider.stop("unreachable")

    async def _fail(self, address_id: int | None, url: str, reason: Message, interrupted: bool) -> None:
        self._tally.record(address_id, "failed", "")
        log.page_failed(PageDone(self._tally.done, address=scrub_log(url), reason=reason.dump()))
        if address_id is not None and not interrupted:
            await self._failures.put(tasks.Failure(address_id, reason))


def scrubbed_message(error: BaseException) -> Message:
    """Return the message of an error without secrets."""
    return scrub_message(error_message(error))


def _page_done(done: int, page: FetchedPage, result: tasks.PageResult) -> PageDone:
    return PageDone(
        done,
        outcome=str(result.outcome),
        kind=result.kind,
        stored=result.stored,
        aid=result.aid,
        title=result.title,
        address=scrub_log(page.requested_url),
        reason="" if result.outcome is Outcome.ARTICLE else scrub_log(result.reason),
        how="browser" if page.rendered else "",
    )
