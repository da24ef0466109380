"""Media files out of WARC files: which of them the archive waits for, judged and kept as downloads are."""

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
from crawler.items import MediaDownload
from crawler.media.settings import MediaSettings, max_bytes
from crawler.parse.media import media_key
from crawler.worker.media_tasks import CHECK_TIME, FATAL, store_download
from crawler.worker.pool import Worker, WorkerDied
from mparchive.importers.items import Flaw, Named, Passed, SavedMedium, Wanted

HAS_ONE = "files of media that have one by now"


class MediaTaker:
    """Takes files one by one, in another process: one that kills its decoder costs only itself."""

    def __init__(self, engine: Engine, runner: asyncio.Runner) -> None:
        self._engine, self._runner = engine, runner
        self._worker = Worker(ArchiveSettings())
        self._kept: set[int] = set()

    @classmethod
    @contextmanager
    def opened(cls, engine: Engine) -> Iterator[Self]:
        """One whose process, should it come to one, ends with the block."""
        with asyncio.Runner() as runner:
            taker = cls(engine, runner)
            try:
                yield taker
            finally:
                runner.run(taker._worker.close())

    def seek(self, names: Sequence[Named]) -> list[tuple[Wanted, ...]]:
        """The media without a file that these are the names of, in order; raises SettingError."""
        keys = {name.key for name in names}
        with transaction(self._engine) as session:
            media = awaited_media(session, keys, _both_ways(name.address for name in names))
        most = MediaSettings.read().max_video_mb
        known: dict[str, dict[int, Wanted]] = {}
        for medium in media:
            for name in (medium.key, media_key(medium.url)):
                known.setdefault(name, {})[medium.id] = Wanted(medium, max_bytes(medium.type, most))
        return [tuple((known.get(one.key) or known.get(one.address, {})).values()) for one in names]

    def take(self, saved: SavedMedium) -> Flaw | Passed | None:
        """Keep a file for the media it is of; otherwise what is wrong with it, or that it came too late."""
        wanted = [one for one in saved.wanted if one.medium.id not in self._kept]
        reasons = [self._refused(saved, one) for one in wanted]
        if not reasons:
            return Passed(saved.source, 1, HAS_ONE)
        return Flaw(saved.source, saved.where, reasons[0]) if all(reasons) else None

    def _refused(self, saved: SavedMedium, wanted: Wanted) -> str:
        """Why it is not this medium's file; empty when it is kept as that."""
        download = MediaDownload(replace(wanted.medium, url=saved.url), saved.answer, wanted.max_bytes)
        call = self._worker.call(store_download, download, saved.answer.fetched_at, timeout=CHECK_TIME)
        try:
            verdict = self._runner.run(call)
        except WorkerDied:
            return str(Message(FATAL))
        if verdict.outcome is MediumOutcome.KEPT:
            self._kept.add(wanted.medium.id)
        return str(verdict.reason or "")


def _both_ways(addresses: Iterable[str]) -> set[str]:
    """Addresses by https as they are known by http, too."""
    return {f"{scheme}://{one.partition('://')[2]}" for one in addresses for scheme in ("http", "https")}
