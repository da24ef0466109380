"""The pipeline of sources: the worker stores what each source lists, and this reports it."""

from dataclasses import replace
from typing import TYPE_CHECKING

from archive.system import clock
from crawler import log
from crawler.pipelines.base import Pipeline, SourceResult
from crawler.process.entry import SourceChecked
from crawler.redaction import scrub_message
from crawler.worker import source_tasks
from crawler.worker.pool import WorkerDied

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
