"""What importers yield: parts of an input that are flawed, skipped or saved pages and media."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Self, TypeVar

from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.db.settings import ArchiveSettings
from archive.domain.captures import Capture
from archive.domain.errors import MessageError
from archive.domain.messages import Message
from archive.domain.outcomes import MediumOutcome
from archive.repository.media import awaited_media
from crawler.media.settings import MediaSettings, max_bytes
from crawler.parse.media import media_key
from crawler.pipelines.base import MediaDownload
from crawler.worker.media_tasks import CHECK_TIME, FATAL, store_download
from crawler.worker.pool import Worker, WorkerDied

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
    """Parts of an input that are intact but nothing to archive; `code` is the message that counts them."""

    source: str
    number: int
    code: str

    @property
    def message(self) -> Message:
        """Return the whole sentence."""
        skipped = Message(self.code, {"n": self.number})
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
    answer: Capture | None = None
    expected_biz: str = ""


ALREADY_STORED = "mparchive.warc.already_stored"


class MediaImporter:
    """Stores files one by one in another process: a file that kills its decoder affects no other."""

    def __init__(self, engine: Engine, runner: asyncio.Runner) -> None:
        self._engine, self._runner = engine, runner
        self._worker = Worker(ArchiveSettings())
        self._stored: set[int] = set()

    @classmethod
    @contextmanager
    def opened(cls, engine: Engine) -> Iterator[Self]:
        """Yield an importer whose process, once it has started, ends with the block."""
        with asyncio.Runner() as runner:
            importer = cls(engine, runner)
            try:
                yield importer
            finally:
                runner.run(importer._worker.close())

    def find(self, names: Sequence[MediumName]) -> list[tuple[AwaitedMedium, ...]]:
        """Return the media without a file that have these names, in order. Raises SettingError."""
        keys = {name.key for name in names}
        with transaction(self._engine) as session:
            media = awaited_media(session, keys, _with_both_schemes(name.address for name in names))
        max_mb = MediaSettings.read().max_video_mb
        known: dict[str, dict[int, AwaitedMedium]] = {}
        for medium in media:
            for name in (medium.key, media_key(medium.url)):
                known.setdefault(name, {})[medium.id] = AwaitedMedium(medium, max_bytes(medium.type, max_mb))
        return [tuple((known.get(one.key) or known.get(one.address, {})).values()) for one in names]

    def store(self, saved: SavedMedium) -> Flaw | Skipped | None:
        """Store a file for its media; return a flaw where it is invalid, or that all of them have a file."""
        awaited = [one for one in saved.awaited if one.medium.id not in self._stored]
        if not awaited:
            return Skipped(saved.source, 1, ALREADY_STORED)
        reasons = [reason for one in awaited if (reason := self._rejection(saved, one))]
        return Flaw(saved.source, saved.where, reasons[0]) if len(reasons) == len(awaited) else None

    def _rejection(self, saved: SavedMedium, awaited: AwaitedMedium) -> Message | None:
        """Store the file for one medium; return why it is rejected, None where it is stored."""
        download = MediaDownload(replace(awaited.medium, url=saved.url), saved.response, awaited.max_bytes)
        call = self._worker.call(store_download, download, saved.response.fetched_at, timeout=CHECK_TIME)
        try:
            verdict = self._runner.run(call)
        except WorkerDied:
            return Message(FATAL)
        if verdict.outcome is MediumOutcome.KEPT:
            self._stored.add(awaited.medium.id)
        return verdict.reason


def _with_both_schemes(addresses: Iterable[str]) -> set[str]:
    """Return the addresses with https and with http: media may be known by either."""
    return {f"{scheme}://{one.partition('://')[2]}" for one in addresses for scheme in ("http", "https")}
