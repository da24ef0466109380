"""What of an input is not taken: a flawed part, a part that is not ours, or all of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

MAX_FLAWS = 1000  # of one input that are named; a file made to hurt has one for every ten bytes
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Flaw:
    """One part of an input that cannot be taken; the other parts can."""

    source: str
    where: str  # "record 3" or "line 12"; empty when it is the whole
    what: str

    def __str__(self) -> str:
        return f"{self.source}, {self.where}: {self.what}" if self.where else self.what


@dataclass(frozen=True, slots=True)
class Passed:
    """Parts of an input that are in order, but nothing to archive."""

    source: str
    number: int
    what: str

    def __str__(self) -> str:
        return f"{self.source}: {self.number} {self.what}"


class InputError(Exception):
    """Nothing of an input can be taken; the message is one sentence that names it."""


class NoInput(InputError):
    """It is in order, but nothing that could be taken in."""


class TooLarge(InputError):
    """It has more bytes than are read."""


def few_flaws(items: Iterator[T], name: str) -> Iterator[T | Flaw]:
    """The items of an input, of its flaws the first ones; behind them how many more there were."""
    number = 0
    for item in items:
        number += isinstance(item, Flaw)
        if number <= MAX_FLAWS or not isinstance(item, Flaw):
            yield item
    if number > MAX_FLAWS:
        yield Flaw(name, "", f"{name} has {number} flaws, of which the first {MAX_FLAWS} are named")
