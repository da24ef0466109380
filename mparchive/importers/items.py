"""What importers yield: parts of an input that are flawed, skipped or saved pages and media."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from archive.domain.captures import CaptureData
from archive.domain.errors import MessageError
from archive.domain.messages import Message

if TYPE_CHECKING:
    from archive.repository.media import DueMedium
    from crawler.parse.response import FetchedPage

MAX_FLAWS = 1000  # of one input that are reported; a hostile file has one for every ten bytes

MAX_PAGE = 16 * 1024 * 1024  # bytes, decompressed: the limit for pages everywhere

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Flaw:
    """One part of an input that cannot be imported, while other parts can.

    `where` names the part, such as a record or a line; None when the whole input is meant, which the reason
    then names. `number` counts the parts that one flaw stands for.
    """

    source: str
    where: Message | None
    reason: Message
    number: int = 1

    @property
    def message(self) -> Message:
        """Return the whole sentence."""
        if self.where is None:
            return self.reason
        params = {"source": self.source, "where": self.where, "reason": self.reason}
        return Message("mparchive.input.flaw", params)

    def __str__(self) -> str:
        return str(self.message)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Parts of an input that are intact but nothing to archive; `code` is the message that counts them.

    `example` has further parameters of that message, which describe one of the parts.
    """

    source: str
    number: int
    code: str
    example: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def message(self) -> Message:
        """Return the whole sentence."""
        skipped = Message(self.code, {"n": self.number, **self.example})
        return Message("mparchive.input.skipped", {"source": self.source, "skipped": skipped})

    def __str__(self) -> str:
        return str(self.message)


class InputError(MessageError):
    """Nothing of an input can be imported; the message names the input."""


class NothingToImport(InputError):
    """An input is intact, but has nothing that could be imported."""


class InputTooLarge(InputError):
    """An input has more bytes than are read."""


def message_of(error: BaseException) -> Message:
    """Return the message of an error; of one that has none, its text."""
    return error.message if isinstance(error, MessageError) else Message("archive.verbatim", {"text": error})


def limit_flaws(items: Iterator[T], name: str) -> Iterator[T | Flaw]:
    """Yield the items of an input with its first MAX_FLAWS flaws, and at the end how many flaws there are."""
    number = 0
    for item in items:
        number += isinstance(item, Flaw)
        if number <= MAX_FLAWS or not isinstance(item, Flaw):
            yield item
    if number > MAX_FLAWS:
        params = {"name": name, "n": number, "shown": MAX_FLAWS}
        yield Flaw(name, None, Message("mparchive.input.many_flaws", params))


@dataclass(frozen=True, slots=True)
class MediumName:
    """What a record is of: an address as media_key makes it, and the key of the medium if it is recorded."""

    address: str
    key: str


@dataclass(frozen=True, slots=True)
class AwaitedMedium:
    """A medium without a file, and the most bytes that are accepted, compressed and decompressed."""

    medium: "DueMedium"
    max_bytes: int


@dataclass(frozen=True, slots=True)
class SavedMedium:
    """A response that may be the file of these media; `source` and `where` name the record."""

    source: str
    where: Message
    awaited: tuple[AwaitedMedium, ...]
    url: str
    response: "FetchedPage"


FindMedia = Callable[[Sequence[MediumName]], Sequence[tuple[AwaitedMedium, ...]]]


def find_no_media(names: Sequence[MediumName]) -> Sequence[tuple[AwaitedMedium, ...]]:
    """Find no medium for any name, where no media are imported."""
    return [()] * len(names)


@dataclass(frozen=True, slots=True)
class SavedPage:
    """A page from an input, with its headers where they were saved.

    `saved_at` is an aware UTC instant: of the file, or of a WARC record. `answer` is the whole capture, where
    it was saved as one; `expected_biz` the account it was listed for.
    """

    name: str
    body: bytes
    saved_at: datetime
    url: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    answer: CaptureData | None = None
    expected_biz: str = ""
