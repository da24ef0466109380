"""The way of one answer: keep, parse, decide, store (in the worker), report."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem
from scrapy.http import Request
from sqlalchemy.exc import SQLAlchemyError

from archive.errors import ArchiveError, MediaFolderError
from archive.vocabulary import Outcome
from crawler import clock, report, worker
from crawler.answer import Answer
from crawler.browser import BrowserMissing
from crawler.cassettes import CassetteMiss
from crawler.middlewares import FetchedAlready, RunStopping
from crawler.monitors import Tally
from crawler.offload import Batches, WorkerDied, workers_of
from crawler.parse.shown import AGREEMENT
from crawler.recovery import read_what_was_kept
from crawler.requests import ADDRESS_ID, ASKED, rendered_request
from crawler.scrub import scrub_log

if TYPE_CHECKING:
    from crawler.spiders.base import ArchiveSpider

MAX_WORKER_DEATHS = 5  # of one run; more is no accident
# In a row, each after its retries: then the line is dead, and going on would use up the addresses' tries.
MAX_FAILURES_IN_A_ROW = 5

logger = logging.getLogger("crawler")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that got no answer, and why."""

    request: Request
    error: BaseException


class Pipeline:
    """What the ways of all answers share: a database or media folder that fails ends the crawl."""

    def __init__(self, crawler: Crawler):
        self._crawler = crawler
        self._deaths = 0

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's way in."""
        return cls(crawler)

    @property
    def _spider(self) -> "ArchiveSpider":
        return self._crawler.spider  # type: ignore[return-value]  # all spiders of this project are

    @property
    def _tally(self) -> Tally:
        return self._spider.tally

    async def process_item(self, item: Any) -> Any:
        """Settle one answer, or one that did not come; returns when it is stored."""
        try:
            await self._settle(item)
        except MediaFolderError as error:
            self._stop("media_folder", error)
            raise DropItem("the media folder failed") from error
        except (SQLAlchemyError, ArchiveError) as error:
            self._stop("database", error)
            raise DropItem("the database failed") from error
        return item

    def _stop(self, what: str, error: Exception) -> None:
        logger.error("action=%s_failed reason=%s", what, str(error).partition("\n")[0])
        self._spider.stop(what)

    async def _settle(self, item: Any) -> None:
        raise NotImplementedError

    def _worker_died(self, waiting: int) -> bool:
        """Count one death; whether the crawl may go on."""
        self._deaths += 1
        logger.error("action=worker_died deaths=%d batch=%d", self._deaths, waiting)
        if self._deaths > MAX_WORKER_DEATHS:
            self._spider.stop("worker_died")
        return self._deaths <= MAX_WORKER_DEATHS


class ArchivePipeline(Pipeline):
    """Hands answers to the worker in batches, and acts on what they turn out to be."""

    def __init__(self, crawler: Crawler):
        super().__init__(crawler)
        self._in_a_row = 0
        self._recovering = asyncio.Lock()
        self._browser_missing = False
        workers = workers_of(crawler.settings)
        self._answers: Batches[Answer, worker.Result] = Batches(
            self._work, lambda answer: len(answer.body), at_once=workers
        )
        self._failures: Batches[worker.Failure, None] = Batches(self._note, lambda _: 1)

    async def _settle(self, item: Answer | Refusal) -> None:
        if isinstance(item, Answer):
            await self._answered(item)
        else:
            await self._refused(item)

    async def _work(self, answers: list[Answer]) -> list[worker.Result]:
        spider = self._spider
        try:
            return await spider.archive.call(worker.work, spider.run_id, answers, clock.now())
        except WorkerDied as death:
            return await self._after_death(answers, death)

    async def _after_death(self, answers: Sequence[Answer], death: WorkerDied) -> list[worker.Result]:
        """Read what the dead worker had kept; what it had not stays due and is fetched another time."""
        if self._worker_died(len(answers)):
            spider = self._spider
            async with self._recovering:
                await read_what_was_kept(spider.archive, spider.run_id, clock.now())
        return [worker.Result(damage=str(death), interrupted=True)] * len(answers)

    async def _note(self, failures: list[worker.Failure]) -> list[None]:
        spider = self._spider
        await spider.archive.call(worker.note_failures, spider.run_id, failures, clock.now())
        return [None] * len(failures)

    async def _answered(self, answer: Answer) -> None:
        self._in_a_row = 0
        result = await self._answers.put(answer)
        if result.damage:
            await self._failed(answer.address_id, answer.requested_url, result.damage, result.interrupted)
            return
        self._tally.settle(answer.address_id, str(result.outcome), result.stored)
        self._spider.got.add(result.key)  # type: ignore[attr-defined]  # the spider of posts has it
        report.page_fetched(self._tally.done, **_facts(answer, result))
        self._compare(answer, result)
        if result.outcome.blocks:
            self._spider.stop(str(result.outcome))
        elif result.needs_browser and not answer.rendered:
            self._render(answer)

    def _compare(self, answer: Answer, result: worker.Result) -> None:
        if result.agrees is None or result.agrees >= AGREEMENT:
            return
        self._tally.count("render_disagrees")
        address = scrub_log(answer.requested_url)
        logger.warning("action=render_disagrees share=%.3f address=%s", result.agrees, address)

    def _render(self, answer: Answer) -> None:
        if self._browser_missing:
            self._tally.count("browser_missing")
            return
        spider, engine = self._spider, self._crawler.engine
        assert engine is not None  # noqa: S101 - Scrapy has set it
        request = rendered_request(answer.address_id, answer.requested_url)
        engine.crawl(request.replace(callback=spider.parse, errback=spider.failed))

    async def _refused(self, refusal: Refusal) -> None:
        meta, error = refusal.request.meta, refusal.error
        if isinstance(error, RunStopping):
            self._tally.count("not_asked")
        elif isinstance(error, FetchedAlready):
            self._tally.settle(meta.get(ADDRESS_ID), str(Outcome.ARTICLE), "known")
        elif isinstance(error, BrowserMissing):
            self._without_browser(error)
        elif meta.get("playwright"):
            self._tally.count("browser_failed")
            report.page_failed(self._tally.done, address=meta[ASKED], reason=reason_of(error))
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
        self._tally.settle(address_id, "failed", "")
        report.page_failed(self._tally.done, address=scrub_log(url), reason=reason)
        if address_id is not None and not interrupted:
            await self._failures.put(worker.Failure(address_id, reason))


def reason_of(error: BaseException) -> str:
    """An error as a few words without secrets."""
    words = scrub_log(" ".join(str(error).split()))[:300]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _facts(answer: Answer, result: worker.Result) -> dict[str, Any]:
    return {
        "outcome": str(result.outcome),
        "kind": result.kind,
        "stored": result.stored,
        "aid": result.aid,
        "address": scrub_log(answer.requested_url),
        "reason": "" if result.outcome == "article" else scrub_log(result.reason[:200]),
        "how": "browser" if answer.rendered else "",
    }
