"""Chains of hashes: what is kept is linked to all that was kept before of the same account."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.integrity.content import capture_contents, version_contents
from archive.models import CaptureRow, Chain, ChainEntry, Version

START = bytes(32)  # what the first link of a chain is linked to
BATCH = 500  # rows a statement
_Found = Row[int, str, bytes]


class Head(NamedTuple):
    """The end of one account's chain: whoever knows it can tell any change of what it vouches for."""

    biz: str
    length: int
    digest: str  # hexadecimal


def link(before: bytes, content: bytes) -> bytes:
    """The digest of an entry: of the one before it and of its own content."""
    return hashlib.sha256(before + content).digest()


def append_captures(session: Session, ids: Sequence[int]) -> None:
    """Link captures that were just kept. Holds their chains until the transaction ends."""
    _append(session, "capture_id", _contents(session, capture_contents(), CaptureRow.id, ids))


def append_versions(session: Session, ids: Sequence[int]) -> None:
    """Link versions that were just added. Holds their chains until the transaction ends."""
    _append(session, "version_id", _contents(session, version_contents(), Version.id, ids))


def heads(session: Session) -> list[Head]:
    """The ends of all chains, by account."""
    rows = select(Chain.biz, Chain.length, Chain.digest).order_by(Chain.biz.collate("C"))
    return [Head(biz, length, digest.hex()) for biz, length, digest in session.execute(rows)]


def _contents(
    session: Session, rows: Select[int, str, bytes], number: object, ids: Sequence[int]
) -> list[_Found]:
    found: list[_Found] = []
    for start in range(0, len(ids), BATCH):
        wanted = number.in_(ids[start : start + BATCH])  # type: ignore[attr-defined]  # a column
        found.extend(session.execute(rows.where(wanted)))
    return sorted(found, key=lambda row: row[0])


def _append(session: Session, subject: str, rows: Sequence[_Found]) -> None:
    chains: dict[str, list[_Found]] = defaultdict(list)
    for row in rows:
        chains[row.biz].append(row)
    for biz in sorted(chains):
        _extend(session, _locked(session, biz), subject, chains[biz])


def _locked(session: Session, biz: str) -> Chain:
    new = postgresql.insert(Chain).values(biz=biz, length=0, digest=START)
    session.execute(new.on_conflict_do_nothing(constraint="uq__chains__biz"))
    row = select(Chain.id, Chain.length, Chain.digest).where(Chain.biz == biz)
    return session.execute(row.with_for_update()).one()  # type: ignore[return-value]


def _extend(session: Session, chain: Chain, subject: str, rows: Sequence[_Found]) -> None:
    digest, entries = chain.digest, []
    for position, row in enumerate(rows, chain.length + 1):
        digest = link(digest, row.content)
        entry = {"position": position, subject: row.id, "content": row.content, "digest": digest}
        entries.append({"chain_id": chain.id, **entry})
    session.execute(insert(ChainEntry), entries)
    grown = {"length": chain.length + len(entries), "digest": digest}
    session.execute(update(Chain).where(Chain.id == chain.id).values(grown))
