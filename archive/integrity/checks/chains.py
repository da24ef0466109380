"""chains: every capture and version is linked, is what was linked, and the links hold."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import aliased

from archive.db.models import CaptureRow, Chain, ChainEntry, Version
from archive.integrity.check import BatchResult, Check, Finding, RowRange
from archive.repository.hash_chain import START, capture_contents, entry_digest, version_contents

NAME = "chains"

ROWS = 2000

REMEDY = "restore it from a backup"

CHANGED = f"is not what was linked into its chain: somebody changed it; {REMEDY}"

GONE = f"is gone, or what it belongs to, but its chain holds it; {REMEDY}"

UNLINKED = "is in no chain: it was put in past the program, or its entry was taken out; compare with a backup"

_Entry = Row[Any]


def _look_at_entries(look: RowRange) -> BatchResult:
    rows = look.session.execute(_entries().where(look.has(ChainEntry.id))).all()
    return BatchResult(len(rows), [finding for row in rows for finding in _flaws(row)])


def _entries() -> Select[*tuple[Any, ...]]:
    before = aliased(ChainEntry)
    captures = capture_contents().subquery()
    versions = version_contents().subquery()
    rows = select(
        ChainEntry.id,
        ChainEntry.chain_id,
        ChainEntry.position,
        ChainEntry.capture_id,
        ChainEntry.version_id,
        ChainEntry.content,
        ChainEntry.digest,
        before.digest.label("before"),
        Chain.id.label("chain"),
        func.coalesce(captures.c.content, versions.c.content).label("held"),
        (versions.c.biz != Chain.biz).label("is_strange"),  # a capture's may be told later to be another
    )
    rows = rows.outerjoin(captures, captures.c.id == ChainEntry.capture_id)
    rows = rows.outerjoin(versions, versions.c.id == ChainEntry.version_id)
    rows = rows.outerjoin(Chain, Chain.id == ChainEntry.chain_id)
    same_chain = before.chain_id == ChainEntry.chain_id
    rows = rows.outerjoin(before, same_chain & (before.position == ChainEntry.position - 1))
    return rows.order_by(ChainEntry.id)


def _flaws(row: _Entry) -> Iterator[Finding]:
    """What is wrong with one entry and with what it vouches for."""
    table, id_ = ("captures", row.capture_id) if row.capture_id else ("versions", row.version_id)
    if row.held is None:
        yield Finding(NAME, table, id_, GONE)
    elif row.held != row.content:
        yield Finding(NAME, table, id_, CHANGED)
    if row.chain is None:
        yield _entry(row, f"its chain, chains {row.chain_id}, is gone; {REMEDY}")
    if row.is_strange:
        yield Finding(NAME, "chains", row.chain_id, f"it holds a version of another account; {REMEDY}")
    if row.position != 1 and row.before is None:
        yield _entry(row, f"position {row.position - 1} before it is missing; {REMEDY}")
    elif row.digest != entry_digest(row.before or START, row.content):
        yield _entry(row, f"its digest does not follow from the entry before it; {REMEDY}")


def _entry(row: _Entry, words: str) -> Finding:
    return Finding(NAME, "chain_entries", row.id, words)


def _look_at_heads(look: RowRange) -> BatchResult:
    last = select(ChainEntry.digest).where(
        ChainEntry.chain_id == Chain.id, ChainEntry.position == Chain.length
    )
    count = select(func.count()).where(ChainEntry.chain_id == Chain.id)
    rows = select(
        Chain.id, Chain.length, Chain.digest, count.scalar_subquery(), last.limit(1).scalar_subquery()
    )
    found = BatchResult()
    for id_, length, digest, entries, end in look.session.execute(rows.where(look.has(Chain.id))):
        found.rows += 1
        if entries != length:
            words = f"it says it has {length} entries, there are {entries}; {REMEDY}"
            found.findings.append(Finding(NAME, "chains", id_, words))
        elif digest != (end if length else START):
            words = f"its digest is not that of its last entry; {REMEDY}"
            found.findings.append(Finding(NAME, "chains", id_, words))
    return found


def _look_for_unlinked(subject: type[CaptureRow] | type[Version], look: RowRange) -> BatchResult:
    column = ChainEntry.capture_id if subject is CaptureRow else ChainEntry.version_id
    linked = select(ChainEntry.id).where(column == subject.id).exists()
    rows = look.session.execute(select(subject.id, linked).where(look.has(subject.id)).order_by(subject.id))
    found = BatchResult()
    for id_, is_linked in rows:
        found.rows += 1
        if not is_linked:
            found.findings.append(Finding(NAME, subject.__tablename__, id_, UNLINKED))
    return found


CHECKS = (
    Check(NAME, "chain_entries", ROWS, _look_at_entries),
    Check(NAME, "chains", ROWS, _look_at_heads),
    Check(NAME, "captures", ROWS, partial(_look_for_unlinked, CaptureRow)),
    Check(NAME, "versions", ROWS, partial(_look_for_unlinked, Version)),
)
