"""media: every file is in the media folder, with its size and hash."""

from collections.abc import Iterator

from sqlalchemy import select

from archive.db.models import FileRow
from archive.domain.errors import IntegrityError, MediaMissing, MediaUnreadable
from archive.integrity.check import FIRST, BatchResult, Check, Finding, RowRange

NAME = "media"

ROWS = 200

MISSING = "is not in the media folder; put it back from a backup, at {path}"

DAMAGED = "in the media folder is not what was stored; put it back from a backup, at {path}"

UNREADABLE = "is not a file that can be read; put it back from a backup, at {path}"

OTHER_SIZE = "has {found} bytes in the media folder, not the {size} it says; restore both from a backup"

STRANGERS = "files in the media folder that the archive does not know"

AT_ONCE = 500  # paths a statement


def _look(look: RowRange) -> BatchResult:
    found = BatchResult()
    if look.after == FIRST and (unknown := sum(1 for _ in strangers(look))):
        found.notes[STRANGERS] += unknown
    rows = select(FileRow.id, FileRow.path, FileRow.sha256, FileRow.size).where(look.has(FileRow.id))
    for id_, path, sha256, size in look.session.execute(rows.order_by(FileRow.id)):
        found.rows += 1
        if words := _flaw(look, path, sha256, size):
            found.findings.append(Finding(NAME, "files", id_, words.format(path=path)))
    return found


def _flaw(look: RowRange, path: str, sha256: bytes, size: int) -> str | None:
    try:
        content = look.means.folder.get(path, sha256)
    except MediaMissing:
        return MISSING
    except MediaUnreadable:
        return UNREADABLE
    except IntegrityError:
        return DAMAGED
    return None if len(content) == size else OTHER_SIZE.format(found=len(content), size=size)


def strangers(look: RowRange) -> Iterator[str]:
    """Files in the media folder that no row is of: a download that was killed, or somebody's own."""
    batch: list[str] = []
    for path in look.means.folder.paths():
        batch.append(path)
        if len(batch) == AT_ONCE:
            yield from _unknown(look, batch)
            batch = []
    yield from _unknown(look, batch)


def _unknown(look: RowRange, paths: list[str]) -> list[str]:
    known = set(look.session.scalars(select(FileRow.path).where(FileRow.path.in_(paths))))
    return [path for path in paths if path not in known]


CHECKS = (Check(NAME, "files", ROWS, _look, is_heavy=True),)
