"""The way of one answer: keep, parse, decide, store (in the worker), report."""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from scrapy.crawler import Crawler

from archive.domain.outcomes import Outcome
from archive.system import clock
from crawler import log
from crawler.browser.renderer import BrowserMissing
from crawler.cassettes.cassette import CassetteMiss
from crawler.download.middlewares import FetchedAlready, RunStopping
from crawler.items import FetchFailure
from crawler.parse.rendered import AGREEMENT
from crawler.parse.response import FetchedPage
from crawler.pipelines.base import Pipeline, read_what_was_kept
from crawler.process.protocol import PageDone
from crawler.redaction import scrub_log
from crawler.requests import ADDRESS_ID, ASKED, rendered_request
from crawler.worker import tasks
from crawler.worker.pool import Batches, WorkerDied, workers_of

if TYPE_CHECKING:
    pass

# In a row, each after its retries: then the line is dead, and going on would use up the addresses' tries.
MAX_FAILURES_IN_A_ROW = 5

logger = logging.getLogger("crawler")


class ArchivePipeline(Pipeline):
    """Hands answers to the worker in batches, and acts on what they turn out to be."""

    def __init__(self, crawler: Crawler):
        super().__init__(crawler)
        self._in_a_row = 0
        self._recovering = asyncio.Lock()
        self._browser_missing = False
        workers = workers_of(crawler.settings)
        self._answers: Batches[FetchedPage, tasks.Result] = Batches(
            self._work, lambda answer: len(answer.body), at_once=workers
        )
        self._failures: Batches[tasks.Failure, None] = Batches(self._note, lambda _: 1)

    async def _settle(self, item: FetchedPage | FetchFailure) -> None:
        if isinstance(item, FetchedPage):
            await self._answered(item)
        else:
            await self._refused(item)

    async def _work(self, answers: list[FetchedPage]) -> list[tasks.Result]:
        spider = self._spider
        try:
            return await spider.archive.call(tasks.work, spider.run_id, answers, clock.now())
        except WorkerDied as death:
            return await self._after_death(answers, death)

    async def _after_death(self, answers: Sequence[FetchedPage], death: WorkerDied) -> list[tasks.Result]:
        """Read what the dead worker had kept; what it had not stays due and is fetched another time."""
        if self._worker_died(len(answers)):
            spider = self._spider
            async with self._recovering:
                await read_what_was_kept(spider.archive, spider.run_id, clock.now())
        return [tasks.Result(damage=str(death), interrupted=True)] * len(answers)

    async def _note(self, failures: list[tasks.Failure]) -> list[None]:
        spider = self._spider
        await spider.archive.call(tasks.note_failures, spider.run_id, failures, clock.now())
        return [None] * len(failures)

    async def _answered(self, answer: FetchedPage) -> None:
        self._in_a_row = 0
        result = await self._answers.put(answer)
        if result.damage:
            await self._failed(answer.address_id, answer.requested_url, result.damage, result.interrupted)
            return
        self._tally.record(answer.address_id, str(result.outcome), result.stored)
        self._spider.got.add(result.key)  # type: ignore[attr-defined]  # the spider of posts has it
        log.page_fetched(_page_done(self._tally.done, answer, result))
        self._compare(answer, result)
        if result.outcome.blocks:
            self._spider.stop(str(result.outcome))
        elif result.needs_browser and not answer.rendered:
            self._render(answer)

    def _compare(self, answer: FetchedPage, result: tasks.Result) -> None:
        if result.agrees is None or result.agrees >= AGREEMENT:
            return
        self._tally.count("render_disagrees")
        address = scrub_log(answer.requested_url)
        logger.warning("action=render_disagrees share=%.3f address=%s", result.agrees, address)

    def _render(self, answer: FetchedPage) -> None:
        if self._browser_missing:
            self._tally.count("browser_missing")
            return
        spider, engine = self._spider, self._crawler.engine
        assert engine is not None  # noqa: S101 - Scrapy has set it
        request = rendered_request(answer.address_id, answer.requested_url)
        engine.crawl(request.replace(callback=spider.parse, errback=spider.failed))

    async def _refused(self, refusal: FetchFailure) -> None:
        meta, error = refusal.request.meta, refusal.error
        if isinstance(error, RunStopping):
            self._tally.count("not_asked")
        elif isinstance(error, FetchedAlready):
            self._tally.record(meta.get(ADDRESS_ID), str(Outcome.ARTICLE), "known")
        elif isinstance(error, BrowserMissing):
            self._without_browser(error)
        elif meta.get("playwright"):
            self._tally.count("browser_failed")
            log.page_failed(PageDone(self._tally.done, address=meta[ASKED], reason=reason_of(error)))
        else:
            # a gap in a cassette says nothing about the address
            missed = isinstance(error, CassetteMiss)
            await self._failed(meta.get(ADDRESS_ID), meta[ASKED], reason_of(error), interrupted=missed)
            self._in_a_row += 1
            if self._in_a_row >= MAX_FAILURES_IN_A_ROW:
                self._spider.stop("unreachable")

    def _without_browser(self, error: BrowserMissing) -> None:
        if not self._browser_missing:
            logger.warning("action=browser_missing reason=%s", error)
        self._browser_missing = True
        self._tally.count("browser_missing")

    async def _failed(self, address_id: int | None, url: str, reason: str, interrupted: bool) -> None:
        self._tally.record(address_id, "failed", "")
        log.page_failed(PageDone(self._tally.done, address=scrub_log(url), reason=reason))
        if address_id is not None and not interrupted:
            await self._failures.put(tasks.Failure(address_id, reason))


def reason_of(error: BaseException) -> str:
    """An error as a few words without secrets."""
    words = scrub_log(" ".join(str(error).split()))[:300]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _page_done(done: int, answer: FetchedPage, result: tasks.Result) -> PageDone:
    return PageDone(
        done,
        outcome=str(result.outcome),
        kind=result.kind,
        stored=result.stored,
        aid=result.aid,
        address=scrub_log(answer.requested_url),
        reason="" if result.outcome == "article" else scrub_log(result.reason[:1000]),
        how="browser" if answer.rendered else "",
    )
