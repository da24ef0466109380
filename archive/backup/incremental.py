"""Send a backup to a place of backups: what is there already is not sent again.

A row of `bodies` has an object of its own. Rows of other tables are cut where their content says so: an
insertion changes one object, not all that follow.
"""

import hashlib
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, select

from archive.backup.backup_file import (
    MEDIA,
    TABLES,
    BackupDamaged,
    BackupError,
    Manifest,
    MediaFile,
    Step,
    TableFile,
)
from archive.backup.lease import Lease
from archive.backup.object_store import ObjectStore
from archive.backup.place import (
    AT_ONCE,
    MAX_WAITING,
    ROWS,
    IncrementalManifest,
    backup_names,
    packed,
    read_manifest,
    rows_object,
    write_manifest,
)
from archive.backup.postgres import copy_out, tables_in
from archive.backup.write import Snapshot, manifest_of, media_in, snapshot_of
from archive.db.models import Chain, ChainEntry
from archive.storage.media_files import MediaFolder

ALONE = "bodies"  # the table whose rows have an object each

LEAST, MOST = 256 * 1024, 4 * 1024 * 1024  # bytes of other rows in an object; one row may have more

CUT = 64  # between these bounds an object ends after a row in so many, which the row itself decides


@dataclass
class Sent:
    """What a backup has sent; `size` in bytes, packed. `kept` objects were there already."""

    name: str = ""
    objects: int = 0
    size: int = 0
    kept: int = 0


def write_incremental(
    engine: Engine,
    folder: MediaFolder,
    store: ObjectStore,
    lease: Lease,
    step: Step = lambda name, done: None,
) -> tuple[Manifest, Sent]:
    """Send what the place lacks, then what the backup consists of; `step` receives the progress.

    Raises BackupError, also where the place holds backups of another archive.
    """
    newest = backup_names(store)[-1:]
    with engine.connect() as connection, _Sender(store, lease, step) as sender:
        snapshot = snapshot_of(connection)
        origins = _origins(connection)
        if newest:
            _refuse_other_archive(store, newest[0], origins)
        sender.list_present()
        rows = dict[str, tuple[str, ...]]()
        tables = tuple(_send_tables(snapshot, sender, rows))
        lacking = list[str]()
        media = tuple(_send_media(snapshot, folder, sender, lacking))
        manifest = manifest_of(snapshot, tables, media, lacking)
    lease.check()
    sender.sent.name = write_manifest(store, IncrementalManifest(backup=manifest, rows=rows, origins=origins))
    return manifest, sender.sent


def _refuse_other_archive(store: ObjectStore, name: str, origins: dict[str, str]) -> None:
    try:
        before = read_manifest(store, name).origins
    except BackupDamaged:
        return  # says nothing; this backup does not depend on it
    common = before.keys() & origins.keys()
    if any(before[biz] != origins[biz] for biz in common) or (before and origins and not common):
        raise BackupError("archive.backup.target.other_archive", target=store.shown)


def _origins(connection: Connection) -> dict[str, str]:
    first = select(Chain.biz, ChainEntry.digest).join(Chain, Chain.id == ChainEntry.chain_id)
    rows = connection.execute(first.where(ChainEntry.position == 1))
    return {biz: digest.hex() for biz, digest in rows}


@dataclass
class _Sender:
    """Sends objects that are not there, some at a time; `present` has the sizes of those that are."""

    store: ObjectStore
    lease: Lease
    step: Step
    sent: Sent = field(default_factory=Sent)
    _rows: set[str] = field(default_factory=set)
    _media: dict[str, int] = field(default_factory=dict)
    _waiting: deque[tuple[Future[int], int]] = field(default_factory=deque)
    _size: int = 0
    _done: int = 0

    def __enter__(self) -> "_Sender":
        self._pool = ThreadPoolExecutor(AT_ONCE, "backup")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            while self._waiting and kind is None:
                self._finish_one()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def list_present(self) -> None:
        """Find out what is there; an object of no bytes is sent again."""
        for sizes in self.store.shards(ROWS):
            self._rows.update(name for name, size in sizes.items() if size)
        for sizes in self.store.shards(MEDIA.rstrip("/")):
            self._media.update(sizes)

    def send_rows(self, table: str, rows: bytes) -> str:
        """Send rows unless they are there; return their SHA-256."""
        sha256 = hashlib.sha256(rows).hexdigest()
        name = rows_object(sha256)
        self._count(table, len(rows))
        if name in self._rows:
            self.sent.kept += 1
        else:
            self._rows.add(name)
            self._submit(name, rows, is_packed=True)
        return sha256

    def send_medium(self, name: str, content: bytes) -> None:
        """Send a media file unless one of its name and size is there."""
        self._count(name, len(content))
        if self._media.get(name) == len(content):
            self.sent.kept += 1
        else:
            self._media[name] = len(content)
            self._submit(name, content, is_packed=False)

    def _count(self, name: str, size: int) -> None:
        self._done += size
        self.step(name, self._done)

    def _submit(self, name: str, content: bytes, *, is_packed: bool) -> None:
        self.lease.check()
        while self._waiting and self._size + len(content) > MAX_WAITING:
            self._finish_one()
        self._size += len(content)
        self._waiting.append((self._pool.submit(self._write, name, content, is_packed), len(content)))

    def _write(self, name: str, content: bytes, is_packed: bool) -> int:
        stored = packed(content) if is_packed else content
        self.store.write(name, stored)
        return len(stored)

    def _finish_one(self) -> None:
        future, size = self._waiting.popleft()
        self.sent.size += future.result()
        self.sent.objects += 1
        self._size -= size


def _send_tables(
    snapshot: Snapshot, sender: _Sender, objects: dict[str, tuple[str, ...]]
) -> Iterator[TableFile]:
    keys = {table.name: [one.name for one in table.primary_key] for table in tables_in(snapshot.connection)}
    for table in snapshot.tables:
        digest, size, hashes = hashlib.sha256(), 0, list[str]()
        order = () if table.name == ALONE else keys.get(table.name, ())
        with closing(copy_out(snapshot.connection, table, order)) as rows:
            for piece in pieces_of(rows, alone=table.name == ALONE):
                digest.update(piece)
                size += len(piece)
                hashes.append(sender.send_rows(f"{TABLES}{table.name}", piece))
        objects[table.name] = tuple(hashes)
        yield TableFile(**table.model_dump(), size=size, sha256=digest.hexdigest())


def pieces_of(rows: Iterable[bytes], *, alone: bool) -> Iterator[bytes]:
    """Join rows to pieces of LEAST to MOST bytes, or yield each `alone`.

    Where a piece ends depends on its last row only, so that equal rows soon give equal pieces again.
    """
    gathered, size = list[bytes](), 0
    for row in rows:
        gathered.append(row)
        size += len(row)
        if alone or size >= MOST or (size >= LEAST and zlib.crc32(row) % CUT == 0):
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


def _send_media(
    snapshot: Snapshot, folder: MediaFolder, sender: _Sender, lacking: list[str]
) -> Iterator[MediaFile]:
    for path, sha256, content in media_in(snapshot, folder, lacking):
        sender.send_medium(f"{MEDIA}{path}", content)
        yield MediaFile(path=path, size=len(content), sha256=sha256.hex())
