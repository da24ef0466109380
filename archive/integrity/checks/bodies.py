"""bytes: every page unpacks to the bytes that came, by their hash and size."""

from sqlalchemy import select

from archive.db.models import CaptureRow
from archive.domain.errors import IntegrityError
from archive.integrity.check import BatchResult, Check, Finding, RowRange
from archive.repository.bodies import bodies

NAME = "bytes"

ROWS = 64  # pages of 3 MB: one at a time in memory, a second of work

REMEDY = "restore it from a backup"


def _look(look: RowRange) -> BatchResult:
    rows = select(CaptureRow.id, CaptureRow.body_size).where(look.has(CaptureRow.id)).order_by(CaptureRow.id)
    sizes = {id_: size for id_, size in look.session.execute(rows)}
    found = BatchResult(len(sizes))
    for id_, body in bodies(look.session, list(sizes)):
        if isinstance(body, IntegrityError):
            found.findings.append(Finding(NAME, "captures", id_, f"{_words(body)}; {REMEDY}"))
        elif len(body) != sizes[id_]:
            words = f"its body has {len(body)} bytes, not the {sizes[id_]} it says; {REMEDY}"
            found.findings.append(Finding(NAME, "captures", id_, words))
    return found


def _words(error: IntegrityError) -> str:
    reason = error.message.params.get("reason")  # a finding names its row itself
    return str(reason or error)


CHECKS = (Check(NAME, "captures", ROWS, _look, is_heavy=True),)
