"""Find unusual silences: days without a post, compared with how often the account publishes on such days.

The chance that a day is silent is estimated from the same weekday half a year before and after, and where
these are few, from all workdays or all days of weekends. Where those are few as well the estimate stays near
one half, and hardly any silence is reported.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from math import prod

MIN_PUBLISHING_DAYS = 8  # fewer show no rhythm

ESTIMATED_OVER = timedelta(weeks=26)  # before and after: an account changes its habits over the years

PRIOR_WEIGHT = 2  # days of the weekday itself that the other workdays, or weekend days, weigh as much as

MAX_CHANCE = 0.01  # of a silence that is reported: one in a hundred if the account publishes as before

_WEEKEND = 5  # Saturday, as date.weekday() counts

_ONE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Silence:
    """Days without a post, both included. `usual` is the share of such weekdays that have posts otherwise.

    `ongoing`: no post has followed yet.
    """

    first: date
    last: date
    chance: float
    usual: dict[int, float]
    ongoing: bool = False


def silences(days: Sequence[date], today: date | None = None) -> Iterator[Silence]:
    """Yield the unusual silences between these days with posts, and the one that lasts until yesterday.

    Without `today`, days after the last post are left out. Today itself is not over yet.
    """
    published = sorted(set(days))
    if len(published) < MIN_PUBLISHING_DAYS:
        return
    history = _History(published)
    ends = [today] if today and today > published[-1] else []
    for before, after in pairwise([*published, *ends]):
        if after - before > _ONE:
            silence = history.silence(before + _ONE, after - _ONE)
            if silence.chance < MAX_CHANCE:
                yield silence


class _History:
    """The days with posts, by weekday."""

    def __init__(self, published: Sequence[date]):
        self._first, self._last = published[0], published[-1]
        self._by_weekday = [[day for day in published if day.weekday() == weekday] for weekday in range(7)]

    def silence(self, first: date, last: date) -> Silence:
        chances = {
            weekday: self._chance(weekday, first, last)
            for weekday in range(7)
            if _count_weekdays(weekday, first, last)
        }
        chance = prod(chances[weekday] ** _count_weekdays(weekday, first, last) for weekday in chances)
        usual = {weekday: 1 - of_day for weekday, of_day in chances.items()}
        return Silence(first, last, chance, usual, ongoing=last > self._last)

    def _chance(self, weekday: int, first: date, last: date) -> float:
        """Return the chance that such a day is silent, by the days around."""
        similar = range(_WEEKEND) if weekday < _WEEKEND else range(_WEEKEND, 7)
        numbers = [self._counts_around(one, first, last) for one in similar]
        published, days = sum(had for had, _ in numbers), sum(number for _, number in numbers)
        prior = (days - published + 0.5) / (days + 1)  # Jeffreys' estimate, as even these may be few
        published, days = self._counts_around(weekday, first, last)
        return (days - published + PRIOR_WEIGHT * prior) / (days + PRIOR_WEIGHT)

    def _counts_around(self, weekday: int, first: date, last: date) -> tuple[int, int]:
        """Return how many of these weekdays had posts, and how many there were besides the silence."""
        since, until = max(self._first, first - ESTIMATED_OVER), min(self._last, last + ESTIMATED_OVER)
        days = self._by_weekday[weekday]
        published = bisect_right(days, until) - bisect_left(days, since)
        silent = _count_weekdays(weekday, max(first, since), min(last, until))
        return published, _count_weekdays(weekday, since, until) - silent


def _count_weekdays(weekday: int, first: date, last: date) -> int:
    """Return how many such weekdays there are between two days, both included; 0 for days out of order."""
    ahead = (weekday - first.weekday()) % 7
    return max(0, ((last - first).days - ahead) // 7 + 1)
