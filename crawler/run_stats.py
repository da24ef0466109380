"""TODO describe."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archive.domain.outcomes import BLOCKING, Outcome
from crawler.discovery.source import SourceFindings

if TYPE_CHECKING:
    pass

NOT_FETCHED = BLOCKING | {"failed", str(Outcome.UNKNOWN)}

VERDICT = "verdict"  # the stats key; crawler.commands makes an exit code of it

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
    """What became of each address so far. A rendered answer takes the place of the plain one."""

    addresses: dict[int | None, tuple[str, str]] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """How many addresses have come to something."""
        return len(self.addresses)

    def settle(self, address_id: int | None, outcome: str, stored: str) -> None:
        """Note what an address came to. Of a post that was new first and then rendered, `new` stays."""
        _, before = self.addresses.get(address_id, ("", ""))
        self.addresses[address_id] = (outcome, before if before == "new" else stored)

    def count(self, event: str) -> None:
        """Note something else that happened."""
        self.events[event] += 1

    def counts(self, wanted: int) -> dict[str, Any]:
        """The run's counts, as they go into its row."""
        outcomes = Counter(outcome for outcome, _ in self.addresses.values())
        stored = Counter(what for _, what in self.addresses.values() if what)
        failed = sum(outcomes[name] for name in NOT_FETCHED)
        fetched = len(self.addresses) - failed
        numbers = {"wanted": wanted, "fetched": fetched, "failed": failed}
        return {**numbers, "outcomes": dict(outcomes), "stored": dict(stored), **self.events}


def verdict_of(reason: str, counts: dict[str, Any]) -> str:
    """One word on the run, from why it ended and what it got; an empty run is not taken for a good one."""
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
    """What each source came to: the run is as good as its sources."""

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[str, SourceFindings] = {}

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
