"""The pipelines of media files and of sources: workers store, and these act on the results."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from scrapy.crawler import Crawler
from scrapy.exceptions import DownloadCancelledError

from archive.domain.messages import Message
from archive.domain.outcomes import STYLE_SHEETS, MediumOutcome
from archive.repository.media import DueMedium
from archive.system import clock
from crawler import log
from crawler.cassettes.cassette import CassetteMiss
from crawler.download.middlewares import RunStopping
from crawler.pipelines.base import FetchFailure, MediaDownload, Pipeline, SourceResult
from crawler.pipelines.posts import MAX_FAILURES_IN_A_ROW, scrubbed_message
from crawler.process.entry import PageDone, SourceChecked
from crawler.redaction import scrub_log, scrub_message
from crawler.requests import MEDIUM, REQUESTED_URL, host_of, is_style
from crawler.worker import media_tasks, source_tasks
from crawler.worker.media_tasks import DownloadFailure, MediaResult
from crawler.worker.pool import WorkerDied

if TYPE_CHECKING:
    from crawler.spiders.media import MediaSpider


class MediaPipeline(Pipeline):
    """Passes downloads to the worker one by one: a file that kills it costs only itself."""

    def __init__(self, crawler: Crawler):
        super().__init__(crawler)
        self._in_a_row: Counter[str] = Counter()
        self._one_at_a_time = asyncio.Lock()  # Scrapy processes two items at once

    @property
    def _media(self) -> "MediaSpider":
        return self._spider  # type: ignore[return-value]  # only its spider has this pipeline

    async def _process(self, item: MediaDownload | FetchFailure) -> None:
        if isinstance(item, MediaDownload):
            await self._process_download(item)
        else:
            await self._process_failure(item)

    async def _process_download(self, download: MediaDownload) -> None:
        url = download.response.requested_url
        self._in_a_row[host_of(url)] = 0
        call = (media_tasks.store_or_record, download, clock.now())
        try:
            async with self._one_at_a_time:
                result = await self._spider.archive.call(*call, timeout=media_tasks.CHECK_TIME)
        except WorkerDied:
            if self._may_continue_after_death(1):
                await self._fail(download.medium, url, MediumOutcome.REFUSED, Message(media_tasks.FATAL))
            return
        self._report(download.medium, url, result)
        if result.blocks:
            self._media.stop_host(url, str(result.reason))

    async def _process_failure(self, failure: FetchFailure) -> None:
        meta, error = failure.request.meta, failure.error
        medium, url = meta[MEDIUM], meta[REQUESTED_URL]
        if isinstance(error, RunStopping):
            self._tally.count("not_asked")
        elif isinstance(error, CassetteMiss):
            self._tally.count(f"{STYLE_SHEETS}_not_recorded" if is_style(medium) else "not_recorded")
        elif isinstance(error, DownloadCancelledError):
            reason = Message("crawler.media.too_large", {"limit": meta["download_maxsize"]})
            await self._fail(medium, url, MediumOutcome.REFUSED, reason)
        else:
            await self._fail(medium, url, MediumOutcome.FAILED, scrubbed_message(error))
            host = host_of(url)
            self._in_a_row[host] += 1
            if self._in_a_row[host] == MAX_FAILURES_IN_A_ROW:
                self._media.stop_host(url, "unreachable")

    async def _fail(self, medium: DueMedium, url: str, outcome: MediumOutcome, reason: Message) -> None:
        failures = [DownloadFailure(medium.id, outcome, reason)]
        await self._spider.archive.call(media_tasks.record_missing, failures, clock.now())
        self._report(medium, url, MediaResult(outcome, reason))

    def _report(self, medium: DueMedium, url: str, result: MediaResult) -> None:
        self._media.record(medium, result.outcome)
        report = log.page_fetched if result.outcome is MediumOutcome.KEPT else log.page_failed
        report(
            PageDone(
                self._tally.done,
                outcome=result.outcome,
                kind=result.media_type,
                stored=STYLE_SHEETS if is_style(medium) else "",
                address=scrub_log(url),
                reason=scrub_message(result.reason).dump() if result.reason else "",
            )
        )


if TYPE_CHECKING:
    from crawler.spiders.discover import DiscoverSpider


class SourcePipeline(Pipeline):
    """Stores the findings of one source after the other, each in a transaction of its own."""

    async def _process(self, item: SourceResult) -> None:
        spider: DiscoverSpider = self._spider  # type: ignore[assignment]  # only this spider has this pipeline
        detail = item.findings.detail
        findings = replace(item.findings, detail=scrub_message(detail) if detail else None)
        arguments = (spider.run_id, spider.account.biz, item.name, findings, clock.now())
        try:
            recorded = await spider.archive.call(source_tasks.record, *arguments)
        except WorkerDied:  # killed from outside; once more in a new one
            recorded = await spider.archive.call(source_tasks.record, *arguments)
        spider.tally.states[item.name] = recorded.findings
        spider.tally.events["seen"] += len(recorded.findings.posts)
        spider.tally.events["new"] += recorded.new
        log.source_checked(_checked(item.name, recorded))


def _checked(name: str, recorded: source_tasks.Recorded) -> SourceChecked:
    findings = recorded.findings
    return SourceChecked(
        source=name,
        state=str(findings.state),
        good=findings.state.good,
        seen=len(findings.posts),
        new=recorded.new,
        newest=findings.newest.isoformat() if findings.newest else None,
        detail=findings.detail.dump() if findings.detail else "",
        advice=findings.advice.dump() if findings.advice else "",
    )
