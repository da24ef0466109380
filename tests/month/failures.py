"""The failures and changes of a simulated month, and of its short form."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.month.machinery import Machinery
from tests.month.simulation import DAY, HOUR, START, Failure


def _storm(day: float, hours: float) -> list[Failure]:
    """Demand verification for a while, for pages and listings."""
    begin = START + day * DAY
    return [
        Failure(begin, "verification storm", lambda parts: parts.standin.fault("verification")),
        Failure(begin + hours * HOUR, "storm over", lambda parts: parts.standin.clear()),
    ]


def _listing(day: float, days: float, source: str, fault: str) -> list[Failure]:
    """Change the response of a listing for a while."""
    begin = START + day * DAY
    return [
        Failure(begin, f"{source} {fault}", lambda parts: parts.standin.source(source, fault)),
        Failure(begin + days * DAY, f"{source} well", lambda parts: parts.standin.source(source, None)),
    ]


def _killed(day: float) -> Failure:
    return Failure(START + day * DAY, "worker killed with -9", Machinery.kill_worker, busy=True)


def _restarted(day: float) -> Failure:
    return Failure(START + day * DAY, "database restarted", Machinery.restart_database, busy=True)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a post, named by its push and position, a number of days after the start."""

    post: str
    day: float
    what: str  # "deleted", or the state it is in from then on: "edited" or, when it returns so, "original"

    @property
    def failure(self) -> Failure:
        """Return the change as an event of the simulation."""
        name = f"push-{self.post}"
        return Failure(
            START + self.day * DAY,
            f"{name} {self.what}",
            lambda parts: parts.standin.show(name, self.what),
        )


def changes(of: Sequence[Change]) -> list[Failure]:
    """Return the events of these changes, in order."""
    return [one.failure for one in of]


# before the storm, so that one visit sees both, and one on the next day the return
SHORT_CHANGES = (Change("1-1", 0.2, "edited"), Change("1-2", 0.25, "deleted"), Change("1-2", 0.6, "original"))
CHANGES = (
    Change("2-1", 1.5, "edited"),
    Change("5-1", 5.0, "deleted"),
    Change("5-1", 12.0, "original"),
    Change("9-1", 8.0, "edited"),
    Change("12-1", 11.0, "deleted"),
    Change("20-1", 17.0, "edited"),
    Change("20-1", 19.5, "deleted"),
    Change("20-1", 23.2, "edited"),  # it is fetched again at the age of a week, on day 22
)
EDITS, TAKEN_DOWN, RETURNED = 3, 3, 2  # in CHANGES
SHORT = (
    *changes(SHORT_CHANGES),
    *_storm(0.38, 6),  # begins at 16:00; longer than the four hours between two queries
    *_listing(1.0, 0.75, "backend", "closed"),  # three queries, of which the restart may cost one
    _killed(0.05),
    _restarted(1.05),
)
MONTH = (
    *changes(CHANGES),
    *_storm(3.38, 5),
    *_storm(10.0, 30),
    *_storm(23.4, 12),
    *_listing(6.0, 4.0, "backend", "closed"),
    *_listing(14.0, 2.0, "album", "empty"),
    *_listing(17.0, 1.0, "feed", "html"),
    *_listing(20.0, 2.0, "backend", "expired"),
    *map(_killed, (1.4, 2.05, 8.05, 12.4, 19.4, 26.1)),
    *map(_restarted, (4.05, 9.4, 15.4, 25.05)),
)
