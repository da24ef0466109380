"""Import media files from WARC files: find those the archive lacks, and store them like downloads."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Self

from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.db.settings import ArchiveSettings
from archive.domain.messages import Message
from archive.domain.outcomes import MediumOutcome
from archive.repository.media import awaited_media
from crawler.media.settings import MediaSettings, max_bytes
from crawler.parse.media import media_key
from crawler.pipelines.base import MediaDownload
from crawler.worker.media_tasks import CHECK_TIME, FATAL, store_download
from crawler.worker.pool import Worker, WorkerDied
from mparchive.importers.items import AwaitedMedium, Flaw, MediumName, SavedMedium, Skipped

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
