"""absences: when posts were away is what their captures tell."""

from dataclasses import asdict

from sqlalchemy import select

from archive.db.models import Absence, Post
from archive.integrity.check import BatchResult, Check, Finding, RowRange
from archive.repository import absences

NAME = "absences"

ROWS = absences.ABSENCE_BATCH

OTHER = "is not what the captures of its post tell; restore it from a backup"

NOT_NOTED = "absences that captures tell and nobody noted; `mparchive reparse --apply` notes them"


def _look(look: RowRange) -> BatchResult:
    ids = look.session.scalars(select(Post.id).where(look.has(Post.id)).order_by(Post.id)).all()
    told = {
        (post_id, absence.capture_id): asdict(absence)
        for post_id, computed in absences.compute_absences(look.session, ids).items()
        for absence in computed
    }
    found = BatchResult(len(ids))
    rows = select(Absence).where(Absence.post_id.in_(ids)).order_by(Absence.id)
    for row in look.session.scalars(rows):
        values = told.pop((row.post_id, row.capture_id), None)
        if values is None or any(getattr(row, name) != value for name, value in values.items()):
            found.findings.append(Finding(NAME, "absences", row.id, OTHER))
    if told:
        found.notes[NOT_NOTED] += len(told)
    return found


CHECKS = (Check(NAME, "posts", ROWS, _look),)
