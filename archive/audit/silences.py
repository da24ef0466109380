"""Days without a post, held against how often the account publishes on such days. Pure.

A day's chance of being silent is learnt from the same weekday half a year before and after, and while these
are few from all workdays, or all days of weekends. Where those are few as well the estimate stays near one
half, and hardly any silence is worth telling.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from math import prod

FEWEST_DAYS = 8  # with posts; fewer tell no rhythm

LEARNED_OVER = timedelta(weeks=26)  # before and after: an account changes its habits over the years

ALIKE = 2  # days of a weekday that the other workdays, or days of weekends, weigh as much as

RARE = 0.01  # a silence whose chance is below is told: one in a hundred of an account that goes on as ever

_WEEKEND = 5  # Saturday, as date.weekday() counts

_ONE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Silence:
    """Days without a post, both included. `usual`: the share of such weekdays that have posts otherwise."""

    first: date
    last: date
    chance: float
    usual: dict[int, float]


def silences(days: Sequence[date]) -> Iterator[Silence]:
    """The silences worth telling between the first and the last of these days with posts."""
    published = sorted(set(days))
    if len(published) < FEWEST_DAYS:
        return
    history = _History(published)
    for before, after in pairwise(published):
        if after - before > _ONE:
            silence = history.judged(before + _ONE, after - _ONE)
            if silence.chance < RARE:
                yield silence


class _History:
    """The days with posts, by weekday."""

    def __init__(self, published: Sequence[date]):
        self._first, self._last = published[0], published[-1]
        self._by_weekday = [[day for day in published if day.weekday() == weekday] for weekday in range(7)]

    def judged(self, first: date, last: date) -> Silence:
        silent = {
            weekday: self._chance(weekday, first, last)
            for weekday in range(7)
            if _weekdays(weekday, first, last)
        }
        chance = prod(silent[weekday] ** _weekdays(weekday, first, last) for weekday in silent)
        return Silence(first, last, chance, {weekday: 1 - chance for weekday, chance in silent.items()})

    def _chance(self, weekday: int, first: date, last: date) -> float:
        """That such a day is silent, by the others around."""
        alike = range(_WEEKEND) if weekday < _WEEKEND else range(_WEEKEND, 7)
        numbers = [self._around(one, first, last) for one in alike]
        published, days = sum(one for one, _ in numbers), sum(all_ for _, all_ in numbers)
        of_those = (days - published + 0.5) / (days + 1)  # Jeffreys' estimate, as even these may be few
        published, days = self._around(weekday, first, last)
        return (days - published + ALIKE * of_those) / (days + ALIKE)

    def _around(self, weekday: int, first: date, last: date) -> tuple[int, int]:
        """How many of these weekdays had posts, and how many there were, without the silence itself."""
        since, until = max(self._first, first - LEARNED_OVER), min(self._last, last + LEARNED_OVER)
        days = self._by_weekday[weekday]
        published = bisect_right(days, until) - bisect_left(days, since)
        return published, _weekdays(weekday, since, until) - _weekdays(weekday, first, last)


def _weekdays(weekday: int, first: date, last: date) -> int:
    """How many such weekdays there are between two days, both included."""
    ahead = (weekday - first.weekday()) % 7
    return max(0, ((last - first).days - ahead) // 7 + 1)
