"""Chains of hashes: what is kept is linked to all that was kept before of the same account."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ARRAY, BigInteger, Row, any_, bindparam, cast, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.integrity.content import capture_contents, version_contents
from archive.models import Base, CaptureRow, Chain, ChainEntry, Version

START = bytes(32)  # what the first link of a chain is linked to
_Found = Row[int, str, bytes]
# Made once: they run for every page that is kept, and to make them takes longer than to run them.
_IDS = any_(cast(bindparam("ids"), ARRAY(BigInteger)))
_CAPTURES = capture_contents().where(CaptureRow.id == _IDS).order_by(CaptureRow.id)
_VERSIONS = version_contents().where(Version.id == _IDS).order_by(Version.id)
_LOCK = select(Chain.id, Chain.length, Chain.digest).where(Chain.biz == bindparam("biz")).with_for_update()
_NEW = postgresql.insert(Chain).on_conflict_do_nothing(constraint="uq__chains__biz")
_ENTRIES = insert(Base.metadata.tables[ChainEntry.__tablename__])
_CHAINS = Base.metadata.tables[Chain.__tablename__]
_GROW = update(_CHAINS).where(_CHAINS.c.id == bindparam("chain"))
_GROW = _GROW.values(length=bindparam("grown"), digest=bindparam("end"))


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
    _append(session, "capture_id", session.execute(_CAPTURES, {"ids": ids}).all() if ids else ())


def append_versions(session: Session, ids: Sequence[int]) -> None:
    """Link versions that were just added. Holds their chains until the transaction ends."""
    _append(session, "version_id", session.execute(_VERSIONS, {"ids": ids}).all() if ids else ())


def heads(session: Session) -> list[Head]:
    """The ends of all chains, by account."""
    rows = select(Chain.biz, Chain.length, Chain.digest).order_by(Chain.biz.collate("C"))
    return [Head(biz, length, digest.hex()) for biz, length, digest in session.execute(rows)]


def _append(session: Session, subject: str, rows: Sequence[_Found]) -> None:
    chains: dict[str, list[_Found]] = defaultdict(list)
    for row in rows:
        chains[row.biz].append(row)
    for biz in sorted(chains):
        _extend(session, _locked(session, biz), subject, chains[biz])


def _locked(session: Session, biz: str) -> Row[int, int, bytes]:
    """An account's chain, which is made if there is none."""
    if found := session.execute(_LOCK, {"biz": biz}).one_or_none():
        return found
    session.execute(_NEW, {"biz": biz, "length": 0, "digest": START})
    return session.execute(_LOCK, {"biz": biz}).one()


def _extend(session: Session, chain: Row[int, int, bytes], subject: str, rows: Sequence[_Found]) -> None:
    digest, entries = chain.digest, []
    for position, row in enumerate(rows, chain.length + 1):
        digest = link(digest, row.content)
        entry = {"position": position, subject: row.id, "content": row.content, "digest": digest}
        entries.append({"chain_id": chain.id, **entry})
    session.execute(_ENTRIES, entries)
    grown = {"chain": chain.id, "grown": chain.length + len(entries), "end": digest}
    session.execute(_GROW, grown)
