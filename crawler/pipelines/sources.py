"""The way of what a source found: noted in the worker, then told."""

from dataclasses import replace
from typing import TYPE_CHECKING

from archive.system import clock
from crawler import log
from crawler.items import SourceResult
from crawler.pipelines.base import Pipeline
from crawler.process.protocol import SourceChecked
from crawler.redaction import scrub_log
from crawler.worker import source_tasks
from crawler.worker.pool import WorkerDied

if TYPE_CHECKING:
    from crawler.spiders.discover import DiscoverSpider


class SourcePipeline(Pipeline):
    """Notes one source after the other, each in a transaction of its own."""

    async def _settle(self, item: SourceResult) -> None:
        spider: DiscoverSpider = self._spider  # type: ignore[assignment]  # only this spider has this pipeline
        found = replace(item.found, detail=scrub_log(item.found.detail))  # it may quote the server
        arguments = (spider.run_id, spider.account.biz, item.name, found, clock.now())
        try:
            recorded = await spider.archive.call(source_tasks.record, *arguments)
        except WorkerDied:  # killed from outside; once more in a new one
            recorded = await spider.archive.call(source_tasks.record, *arguments)
        spider.tally.states[item.name] = recorded.found
        spider.tally.events["seen"] += len(recorded.found.seen)
        spider.tally.events["new"] += recorded.new
        log.source_checked(_checked(item.name, recorded))


def _checked(name: str, recorded: source_tasks.Recorded) -> SourceChecked:
    found = recorded.found
    return SourceChecked(
        source=name,
        state=str(found.state),
        good=found.state.good,
        seen=len(found.seen),
        new=recorded.new,
        newest=found.newest.isoformat() if found.newest else None,
        detail=found.detail[:500],
        advice=found.advice[:1000],
    )
