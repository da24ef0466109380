"""The way of one download: judged and kept in the worker, then reported."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from scrapy.crawler import Crawler
from scrapy.exceptions import DownloadCancelledError

from archive.domain.outcomes import MediumOutcome
from archive.repository.media import DueMedium
from archive.system import clock
from crawler import log
from crawler.cassettes.cassette import CassetteMiss
from crawler.download.middlewares import RunStopping
from crawler.items import FetchFailure, MediaDownload
from crawler.pipelines.base import Pipeline
from crawler.pipelines.posts import MAX_FAILURES_IN_A_ROW, reason_of
from crawler.process.protocol import PageDone
from crawler.redaction import scrub_log
from crawler.requests import ASKED, MEDIUM, host_of
from crawler.worker.media_tasks import CHECK_TIME, FATAL, DownloadFailure, MediaVerdict, keep, note_misses
from crawler.worker.pool import WorkerDied

if TYPE_CHECKING:
    from crawler.spiders.media import MediaSpider


class MediaPipeline(Pipeline):
    """Hands downloads to the worker one by one: a file that kills it costs only itself."""

    def __init__(self, crawler: Crawler):
        super().__init__(crawler)
        self._in_a_row: Counter[str] = Counter()
        self._judging = asyncio.Lock()  # Scrapy hands over two items at once

    @property
    def _media(self) -> "MediaSpider":
        return self._spider  # type: ignore[return-value]  # only its spider has this pipeline

    async def _settle(self, item: MediaDownload | FetchFailure) -> None:
        if isinstance(item, MediaDownload):
            await self._downloaded(item)
        else:
            await self._refused(item)

    async def _downloaded(self, download: MediaDownload) -> None:
        url = download.answer.requested_url
        self._in_a_row[host_of(url)] = 0
        now = clock.now()
        try:
            async with self._judging:
                verdict = await self._spider.archive.call(keep, download, now, timeout=CHECK_TIME)
        except WorkerDied:
            if self._worker_died(1):
                await self._missed(download.medium, url, MediumOutcome.REFUSED, FATAL)
            return
        self._tell(download.medium, url, verdict)
        if verdict.blocks:
            self._media.stop_host(url, verdict.reason)

    async def _refused(self, refusal: FetchFailure) -> None:
        meta, error = refusal.request.meta, refusal.error
        medium, url = meta[MEDIUM], meta[ASKED]
        if isinstance(error, RunStopping):
            self._tally.count("not_asked")
        elif isinstance(error, CassetteMiss):
            self._tally.count("not_recorded")
        elif isinstance(error, DownloadCancelledError):
            reason = f"it has more than {meta['download_maxsize']} bytes"
            await self._missed(medium, url, MediumOutcome.REFUSED, reason)
        else:
            await self._missed(medium, url, MediumOutcome.FAILED, reason_of(error))
            self._count_failure(url)

    def _count_failure(self, url: str) -> None:
        host = host_of(url)
        self._in_a_row[host] += 1
        if self._in_a_row[host] == MAX_FAILURES_IN_A_ROW:
            self._media.stop_host(url, "unreachable")

    async def _missed(self, medium: DueMedium, url: str, outcome: MediumOutcome, reason: str) -> None:
        misses = [DownloadFailure(medium.id, outcome, reason)]
        await self._spider.archive.call(note_misses, misses, clock.now())
        self._tell(medium, url, MediaVerdict(outcome, reason))

    def _tell(self, medium: DueMedium, url: str, verdict: MediaVerdict) -> None:
        self._tally.record(medium.id, verdict.outcome, "")
        report = log.page_fetched if verdict.outcome is MediumOutcome.KEPT else log.page_failed
        report(
            PageDone(
                self._tally.done,
                outcome=verdict.outcome,
                kind=verdict.media_type,
                address=scrub_log(url),
                reason=scrub_log(verdict.reason),
            )
        )
