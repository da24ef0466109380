"""Check bytes: the bodies of captures, and the files of the media folder."""

from collections.abc import Iterator

from sqlalchemy import select

from archive.db.models import Capture, File
from archive.domain.errors import IntegrityError, MediaMissing, MediaUnreadable
from archive.domain.messages import Message
from archive.integrity.check import FIRST_ID, BatchResult, Check, Finding, RowRange
from archive.repository.bodies import bodies

BODIES, MEDIA = "bytes", "media"  # names of the checks

BODIES_AT_ONCE = 64  # pages of 3 MB: one at a time in memory, a second of work

FILES_AT_ONCE = 200

PATHS_AT_ONCE = 500  # paths looked up by one statement


def check_bodies(rows: RowRange) -> BatchResult:
    """Check that every body decodes to the bytes that were received, by their SHA-256 and size."""
    query = select(Capture.id, Capture.body_size).where(rows.contains(Capture.id))
    sizes = {id_: size for id_, size in rows.session.execute(query.order_by(Capture.id))}
    result = BatchResult(len(sizes))
    for id_, body in bodies(rows.session, list(sizes)):
        if isinstance(body, IntegrityError):
            message = Message("archive.integrity.body_damaged", {"reason": _reason(body)})
        elif len(body) != sizes[id_]:
            counts = {"found": len(body), "expected": sizes[id_]}
            message = Message("archive.integrity.body_size_differs", counts)
        else:
            continue
        result.findings.append(Finding(BODIES, "captures", id_, message))
    return result


def _reason(error: IntegrityError) -> Message:
    reason = error.message.params.get("reason")  # without the capture, which the finding names itself
    return reason if isinstance(reason, Message) else error.message


def check_media(rows: RowRange) -> BatchResult:
    """Check that every file is in the media folder, with its SHA-256 and size."""
    result = BatchResult()
    if rows.after == FIRST_ID and (count := sum(1 for _ in _unknown_files(rows))):
        result.notes["archive.integrity.note_unknown_files"] += count
    query = select(File.id, File.path, File.sha256, File.size).where(rows.contains(File.id))
    for id_, path, sha256, size in rows.session.execute(query.order_by(File.id)):
        result.rows += 1
        if message := _wrong_with_file(rows, path, sha256, size):
            result.findings.append(Finding(MEDIA, "files", id_, message))
    return result


def _wrong_with_file(rows: RowRange, path: str, sha256: bytes, size: int) -> Message | None:
    try:
        content = rows.context.folder.get(path, sha256)
    except MediaMissing:
        return Message("archive.integrity.file_missing", {"path": path})
    except MediaUnreadable:
        return Message("archive.integrity.file_unreadable", {"path": path})
    except IntegrityError:
        return Message("archive.integrity.file_damaged", {"path": path})
    if len(content) != size:
        return Message("archive.integrity.file_size_differs", {"found": len(content), "expected": size})
    return None


def _unknown_files(rows: RowRange) -> Iterator[str]:
    """Yield files that no row is about: of a download that was killed, or somebody's own."""
    batch: list[str] = []
    for path in rows.context.folder.paths():
        batch.append(path)
        if len(batch) == PATHS_AT_ONCE:
            yield from _without_row(rows, batch)
            batch = []
    yield from _without_row(rows, batch)


def _without_row(rows: RowRange, paths: list[str]) -> list[str]:
    known = set(rows.session.scalars(select(File.path).where(File.path.in_(paths))))
    return [path for path in paths if path not in known]


BODY_CHECK = Check(BODIES, "captures", BODIES_AT_ONCE, check_bodies, is_heavy=True)

MEDIA_CHECK = Check(MEDIA, "files", FILES_AT_ONCE, check_media, is_heavy=True)
