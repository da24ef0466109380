"""What of an input is not taken: a flawed part, a part that is not ours, or all of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from archive.domain.captures import Capture
from archive.repository.media import DueMedium
from crawler.parse.response import FetchedPage

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


@dataclass(frozen=True, slots=True)
class Named:
    """What a record says it is of: an address as media_key makes it, and the medium's key where it tells."""

    address: str
    key: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A medium without a file, and the most bytes that are taken for it, packed and unpacked."""

    medium: DueMedium
    max_bytes: int


@dataclass(frozen=True, slots=True)
class SavedMedium:
    """An answer that may be the file of these media; `source` and `where` name the record for people."""

    source: str
    where: str
    wanted: tuple[Wanted, ...]
    url: str
    answer: FetchedPage


Seek = Callable[[Sequence[Named]], Sequence[tuple[Wanted, ...]]]


def seek_none(names: Sequence[Named]) -> Sequence[tuple[Wanted, ...]]:
    """For whoever wants no media."""
    return [()] * len(names)


MAX_PAGE = 16 * 1024 * 1024  # bytes, unpacked: the cap for pages everywhere


@dataclass(frozen=True, slots=True)
class SavedPage:
    """`saved_at` is an aware UTC instant: of the file, or what a WARC record says; `headers` where kept.

    `answer` is the whole answer, where it was kept as one, and `expected_biz` the account it was listed for.
    """

    name: str
    body: bytes
    saved_at: datetime
    url: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    answer: Capture | None = None
    expected_biz: str = ""
