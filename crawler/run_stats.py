"""Counts of one crawl and the verdict on it, as they go into the run's row and the exit code."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from archive.domain.outcomes import BLOCKING, Outcome
from crawler.discovery.source import SourceFindings

NOT_FETCHED = BLOCKING | {"failed", str(Outcome.UNKNOWN)}

VERDICT = "verdict"  # key in Scrapy's stats, which crawler.commands.crawl turns into the exit code

EXIT_CODES = {
    "done": 0,
    "nothing_due": 0,
    "failed": 1,
    "usage": 2,
    "partly_failed": 3,
    "stopped": 3,
    "nothing_fetched": 4,
    "verification": 5,
    "rate_limited": 5,
    "database": 6,
}


@dataclass
class Tally:
    """The outcome of each address so far. A rendered page replaces the outcome of the plain one."""

    addresses: dict[int | None, tuple[str, str]] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """Return how many addresses have an outcome."""
        return len(self.addresses)

    def record(self, address_id: int | None, outcome: str, stored: str) -> None:
        """Set the outcome of an address. A post that was new stays new when its rendered page follows."""
        _, before = self.addresses.get(address_id, ("", ""))
        self.addresses[address_id] = (outcome, before if before == "new" else stored)

    def count(self, event: str) -> None:
        """Count something that is no outcome of an address."""
        self.events[event] += 1

    def counts(self, wanted: int) -> dict[str, Any]:
        """Return the counts as they go into the run's row."""
        outcomes = Counter(outcome for outcome, _ in self.addresses.values())
        stored = Counter(what for _, what in self.addresses.values() if what)
        failed = sum(outcomes[name] for name in NOT_FETCHED)
        fetched = len(self.addresses) - failed
        numbers = {"wanted": wanted, "fetched": fetched, "failed": failed}
        return {**numbers, "outcomes": dict(outcomes), "stored": dict(stored), **self.events}


def verdict_of(reason: str, counts: dict[str, Any]) -> str:
    """Return the verdict on a run from why it ended and what it fetched; an empty run is no success."""
    if reason in BLOCKING or reason in ("database", "usage"):
        return reason
    if reason == "shutdown":
        return "stopped"
    if reason not in ("finished", "unreachable"):
        return "failed"
    if not counts["wanted"]:
        return "nothing_due"
    if not counts["fetched"]:
        return "nothing_fetched"
    whole = not counts["failed"] and counts["fetched"] >= counts["wanted"]
    return "done" if whole else "partly_failed"


class SourceTally(Tally):
    """The result of each source so far: the run is as good as its sources."""

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[str, SourceFindings] = {}

    @property
    def done(self) -> int:
        """Return how many sources have been asked."""
        return len(self.states)

    def counts(self, wanted: int) -> dict[str, Any]:
        """Return the counts as they go into the run's row."""
        good = sum(found.state.good for found in self.states.values())
        states = Counter(str(found.state) for found in self.states.values())
        numbers = {"wanted": wanted, "fetched": good, "failed": wanted - good}
        return {**numbers, "states": dict(states), **self.events}
