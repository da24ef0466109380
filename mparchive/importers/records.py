"""Store the records of dumps in batches, several at a time: Postgres works on each on a processor of its own.

Every batch is a transaction, so that a kill loses at most those that are not committed. Batches
that are about the same posts, or that name one account differently, are stored one after the other: the
result is that of storing all in their order.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.domain.errors import error_message
from archive.domain.messages import Message
from archive.domain.update_decisions import DUMP, StoreResult
from archive.ingest import pages
from archive.repository import frontier
from archive.system import clock
from mparchive.importers.dump import DumpEntry
from mparchive.importers.items import Flaw

MOST_AT_ONCE = 4  # each has a connection, and records in memory; with more, Python is what takes the time

AT_ONCE = max(2, min(os.cpu_count() or 2, MOST_AT_ONCE))


@dataclass(frozen=True)
class StoredRecords:
    """What became of a batch: a result of each record that was stored, and a flaw of each other one."""

    results: list[StoreResult] = field(default_factory=list)
    addresses: set[int] = field(default_factory=set)
    flaws: list[Flaw] = field(default_factory=list)


@dataclass(frozen=True)
class _Batch:
    entries: Sequence[DumpEntry]

    @cached_property
    def posts(self) -> set[str]:
        return {entry.address.key for entry in self.entries}

    @cached_property
    def accounts(self) -> set[tuple[str, str]]:
        return {(entry.address.biz, entry.record.account) for entry in self.entries}

    def must_follow(self, other: "_Batch") -> bool:
        """Tell whether the result depends on which of the two is stored first."""
        both = {biz for biz, _ in self.accounts} & {biz for biz, _ in other.accounts}
        is_renamed = any(biz in both for biz, _ in self.accounts ^ other.accounts)
        return is_renamed or not self.posts.isdisjoint(other.posts)


class RecordStore:
    """Stores batches of records; `report` gets what became of each, in their order, in the caller's thread.

    When the `with` block ends without an error, all are stored and reported.
    """

    def __init__(self, engine: Engine, run_id: int, report: Callable[[StoredRecords], None]) -> None:
        self._engine, self._run_id, self._report = engine, run_id, report
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="records")
        self._begun: deque[tuple[_Batch, Future[StoredRecords]]] = deque()

    def store(self, entries: Sequence[DumpEntry]) -> None:
        """Begin to store a batch; wait for others first where it must follow them, or too many are begun.

        Raises what an earlier batch raised.
        """
        batch = _Batch(entries)
        while self._begun and (
            len(self._begun) >= AT_ONCE or any(batch.must_follow(other) for other, _ in self._begun)
        ):
            self._finish_first()
        self._begun.append((batch, self._threads.submit(self._store, entries)))

    def finish(self) -> None:
        """Wait until all batches are stored and reported. Raises what one of them raised."""
        while self._begun:
            self._finish_first()

    def _finish_first(self) -> None:
        _, stored = self._begun.popleft()
        self._report(stored.result())

    def _store(self, entries: Sequence[DumpEntry]) -> StoredRecords:
        try:
            with transaction(self._engine) as session:
                records = [entry.record for entry in entries]
                results = pages.import_records(session, self._run_id, records, DUMP, clock.now())
                addresses = frontier.address_ids(session, [entry.address.key for entry in entries])
        except Exception as error:
            if not pages.is_of_content(error):
                raise
            if len(entries) == 1:
                return StoredRecords(flaws=[_unstorable(entries[0], error)])
        else:
            return StoredRecords(results, addresses)
        whole = StoredRecords()
        for entry in entries:  # each in a transaction of its own, so that the others are imported
            one = self._store([entry])
            whole.results.extend(one.results)
            whole.addresses.update(one.addresses)
            whole.flaws.extend(one.flaws)
        return whole

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self._threads.shutdown(cancel_futures=True)


def _unstorable(entry: DumpEntry, error: Exception) -> Flaw:
    where = Message("mparchive.input.record_of_post", {"number": entry.number, "aid": entry.record.aid})
    reason = Message("mparchive.backfill.not_stored", {"reason": error_message(error)})
    return Flaw(entry.source, where, reason)
