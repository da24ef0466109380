"""How often posts are asked again. Pure."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Intervals:
    """At which ages a post is asked again; after the last, whenever as much time has gone by again.

    `there` counts from its publication, `away` from when it was first missing. What began less than
    `fresh` ago may not use up the day's budget alone.
    """

    there: tuple[timedelta, ...]
    away: tuple[timedelta, ...]
    fresh: timedelta
