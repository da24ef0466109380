"""The timetable of the daemon as data: how often it checks whether there is work of each kind."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Work(StrEnum):
    """The kinds of jobs; also the names of their tasks in the queue."""

    DISCOVER = "discover"
    FETCH = "fetch"
    MEDIA = "media"
    REVISIT = "revisit"
    INBOX = "inbox"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class TimetableEntry:
    """One recurring check for work of a kind. A check costs a query; only work that is due becomes a job.

    `grace`: how late a check may still happen; `jitter` keeps machines from checking at the same second.
    """

    work: Work
    every: timedelta
    jitter: timedelta
    grace: timedelta

    def tick(self, now: datetime) -> int:
        """Return the number of the interval that `now` lies in, the same on every machine: one job each."""
        return int(now.timestamp() // self.every.total_seconds())


def _entry(work: Work, seconds: int) -> TimetableEntry:
    every = timedelta(seconds=seconds)
    # Never dropped for being late: a machine that slept checks once as soon as it wakes.
    return TimetableEntry(work, every, jitter=every / 10, grace=timedelta(days=1))


TIMETABLE = (
    _entry(Work.DISCOVER, 30),
    _entry(Work.FETCH, 15),  # a new post waits no longer for its fetch
    _entry(Work.MEDIA, 60),
    _entry(Work.REVISIT, 900),
    _entry(Work.INBOX, 15),
    _entry(Work.REPORT, 300),
)
