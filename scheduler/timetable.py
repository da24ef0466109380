"""The timetable of the daemon, as data."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Entry:
    """One recurring piece of work. `grace`: how late it may still start; `jitter` keeps it off the minute."""

    name: str
    every: timedelta
    jitter: timedelta
    grace: timedelta


def timetable(every_minutes: int) -> tuple[Entry, ...]:
    """Look for due addresses every so many minutes."""
    every = timedelta(minutes=every_minutes)
    # Never dropped for being late: a machine that slept looks once as soon as it wakes.
    return (Entry("crawl", every, jitter=every / 10, grace=timedelta(days=1)),)
