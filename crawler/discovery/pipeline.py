"""The way of what a source found: noted in the worker, then told."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from crawler import clock, report
from crawler.discovery import recording
from crawler.discovery.source import Found
from crawler.monitors import Tally
from crawler.offload import WorkerDied
from crawler.pipelines import Pipeline
from crawler.scrub import scrub_log

if TYPE_CHECKING:
    from crawler.spiders.discover import DiscoverSpider


@dataclass(frozen=True, slots=True)
class Tried:
    """A source's try at its end."""

    name: str
    found: Found


class SourceTally(Tally):
    """What each source came to: the run is as good as its sources."""

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[str, Found] = {}

    @property
    def done(self) -> int:
        """How many sources have come to an end."""
        return len(self.states)

    def counts(self, wanted: int) -> dict[str, Any]:
        """The run's counts, as they go into its row."""
        good = sum(found.state.good for found in self.states.values())
        states = Counter(str(found.state) for found in self.states.values())
        numbers = {"wanted": wanted, "fetched": good, "failed": wanted - good}
        return {**numbers, "states": dict(states), **self.events}


class SourcePipeline(Pipeline):
    """Notes one source after the other, each in a transaction of its own."""

    async def _settle(self, item: Tried) -> None:
        spider: DiscoverSpider = self._spider  # type: ignore[assignment]  # only this spider has this pipeline
        found = replace(item.found, detail=scrub_log(item.found.detail))  # it may quote the server
        arguments = (spider.run_id, spider.account.biz, item.name, found, clock.now())
        try:
            recorded = await spider.archive.call(recording.record, *arguments)
        except WorkerDied:  # killed from outside; once more in a new one
            recorded = await spider.archive.call(recording.record, *arguments)
        spider.tally.states[item.name] = recorded.found
        spider.tally.events["seen"] += len(recorded.found.seen)
        spider.tally.events["new"] += recorded.new
        report.source_tried(_told(item.name, recorded))


def _told(name: str, recorded: recording.Recorded) -> dict[str, Any]:
    found = recorded.found
    return {
        "source": name,
        "state": str(found.state),
        "good": found.state.good,
        "seen": len(found.seen),
        "new": recorded.new,
        "newest": found.newest.isoformat() if found.newest else None,
        "detail": found.detail[:500],
        "advice": found.advice[:1000],
    }
