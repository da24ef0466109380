"""Which backups of a place are kept, and the removal of the others with what only they needed."""

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

from archive.backup.backup_file import MEDIA, BackupDamaged, BackupError
from archive.backup.lease import Lease
from archive.backup.object_store import ObjectStore
from archive.backup.place import (
    AT_ONCE,
    ROWS,
    backup_names,
    made_at,
    manifest_object,
    read_manifest,
)
from archive.domain.records import SHANGHAI

MAX_COUNT = 3660  # of days, weeks or months: ten years of nights

_PART = re.compile(r"([1-9][0-9]{0,3})([dwm])")

_PERIODS: dict[str, Callable[[date], Hashable]] = {
    "d": lambda day: day,
    "w": lambda day: day.isocalendar()[:2],
    "m": lambda day: (day.year, day.month),
}


@dataclass(frozen=True)
class Retention:
    """How many periods the newest backup is kept of: by unit (d, w, m), and a number of each."""

    counts: tuple[tuple[str, int], ...]

    @classmethod
    def parse(cls, text: str) -> "Retention":
        """Read `7d,4w,12m`. Raises BackupError."""
        parts = [_PART.fullmatch(part.strip()) for part in text.split(",")]
        counts = tuple((part[2], int(part[1])) for part in parts if part)
        units = [unit for unit, _ in counts]
        if not all(parts) or len(set(units)) != len(units) or any(n > MAX_COUNT for _, n in counts):
            raise BackupError("archive.backup.keep.not_understood", text=repr(text[:40]), max=MAX_COUNT)
        return cls(counts)

    def kept(self, names: Iterable[str]) -> set[str]:
        """Return the backups to keep: the newest of each of so many periods that have one.

        Days, weeks (from Monday) and months are those of Beijing. The newest backup of all is always kept.
        """
        newest_first = sorted(names, reverse=True)
        kept = set(newest_first[:1])
        for unit, count in self.counts:
            first = dict[Hashable, str]()
            for name in newest_first:
                first.setdefault(_PERIODS[unit](made_at(name).astimezone(SHANGHAI).date()), name)
            kept.update(list(first.values())[:count])
        return kept


@dataclass(frozen=True)
class Removed:
    """How many backups and objects were removed, and how many backups are left."""

    backups: int
    objects: int
    left: int


def prune(store: ObjectStore, lease: Lease, retention: Retention, made: str) -> Removed:
    """Remove the backups that are not kept, then the objects that none of the others names.

    `made` is the backup that was just made: it stays, as does the newest one that is complete. Raises
    BackupDamaged before anything is removed when it cannot be read what some backup consists of, BackupError.
    """
    present = {name for folder in _FOLDERS for sizes in store.shards(folder) for name in sizes}
    names = backup_names(store)
    complete = [name for name in names if present.issuperset(_objects(store, name))]
    kept = retention.kept(names) | retention.kept(complete) | {made}
    needed = {name for backup in kept for name in _objects(store, backup)}
    expired = [name for name in names if name not in kept]
    for name in expired:
        lease.check()
        store.remove(manifest_object(name))
    orphans = sorted(present - needed)
    _remove(store, lease, orphans)
    return Removed(len(expired), len(orphans), len(names) - len(expired))


_FOLDERS = (ROWS, MEDIA.rstrip("/"))


def _objects(store: ObjectStore, name: str) -> Sequence[str]:
    try:
        return list(read_manifest(store, name).objects())
    except BackupDamaged:
        raise BackupDamaged(
            "archive.backup.keep.damaged", path=f"{store.shown}@{name}", object=manifest_object(name)
        ) from None


def _remove(store: ObjectStore, lease: Lease, names: Sequence[str]) -> None:
    """Remove objects, some at a time; none once the lease is lost."""

    def remove(name: str) -> None:
        lease.check()
        store.remove(name)

    with ThreadPoolExecutor(AT_ONCE, "retention") as pool:
        for _ in pool.map(remove, names):
            pass
