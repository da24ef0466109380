"""A media file out of a WARC file, and what tells which medium of the archive it is of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from archive.media.queries import DueMedium
from crawler.answer import Answer


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
    answer: Answer


Seek = Callable[[Sequence[Named]], Sequence[tuple[Wanted, ...]]]


def seek_none(names: Sequence[Named]) -> Sequence[tuple[Wanted, ...]]:
    """For whoever wants no media."""
    return [()] * len(names)
