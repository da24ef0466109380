"""Decide from samples whether a number stays the same, or grows as something that explains it does."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

LEAST_SAMPLES = 8  # two in each quarter
MOST_LEVEL_GROWTH = 0.10  # of the last quarter over the second; what a process uses varies by a few percent
MOST_RATE_GROWTH = 0.20  # of rows per post, day or visit: posts do not come evenly
FEW, FEW_MB = 6.0, 1.0  # a difference of so many files, threads or rows, or of so many MB, is no growth


@dataclass(frozen=True)
class Sample:
    """What was measured at one time. `drivers` is what explains growth: posts, days and visits until then."""

    day: float
    drivers: Mapping[str, float]
    values: Mapping[str, float]


@dataclass(frozen=True)
class Verdict:
    """Whether a number is flat, explained by a driver, or neither. `is_fine` is False only for the last."""

    words: str
    is_fine: bool


def quarters(samples: Sequence[Sample]) -> list[Sequence[Sample]]:
    """Split samples into four parts of equal length. Raises ValueError where there are too few."""
    if len(samples) < LEAST_SAMPLES:
        raise ValueError(f"{len(samples)} samples are too few to judge: at least {LEAST_SAMPLES}")
    ends = [len(samples) * part // 4 for part in range(5)]
    return [samples[start:end] for start, end in pairwise(ends)]


def level_verdict(samples: Sequence[Sample], name: str) -> Verdict:
    """Compare the mean of the last quarter with that of the second: what a process uses must not grow."""
    parts = quarters(samples)
    second, last = (statistics.fmean(one.values.get(name, 0) for one in parts[at]) for at in (1, 3))
    if last - second <= _few(name) or last <= second * (1 + MOST_LEVEL_GROWTH):
        return Verdict("flat", True)
    return Verdict(f"grows: {second:.1f} to {last:.1f}", False)


def rows_verdict(samples: Sequence[Sample], name: str) -> Verdict:
    """Compare what was added in the last quarter with the second, for each unit of the best driver."""
    parts = quarters(samples)
    added = [_added(parts[at], parts[at - 1][-1], name) for at in (1, 3)]
    if abs(samples[-1].values.get(name, 0) - parts[1][0].values.get(name, 0)) <= _few(name):
        return Verdict("flat", True)
    growth = {}
    for driver in samples[-1].drivers:
        units = [parts[at][-1].drivers[driver] - parts[at - 1][-1].drivers[driver] for at in (1, 3)]
        if all(units) and added[0] > 0:
            growth[driver] = (added[1] / units[1]) / (added[0] / units[0]) - 1
    if growth:
        driver = min(growth, key=lambda one: abs(growth[one]))
        if growth[driver] <= MOST_RATE_GROWTH:
            each = samples[-1].values[name] / samples[-1].drivers[driver]
            slower = ", slowing down" if growth[driver] < -MOST_RATE_GROWTH else ""
            return Verdict(f"{each:.2f} for each {driver}{slower}", True)
    return Verdict(
        f"grows unexplained: {added[0]:.0f} in the second quarter, {added[1]:.0f} in the last", False
    )


def _added(part: Sequence[Sample], before: Sample, name: str) -> float:
    return part[-1].values.get(name, 0) - before.values.get(name, 0)


def _few(name: str) -> float:
    return FEW_MB if name.endswith("MB") else FEW
