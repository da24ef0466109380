"""Record the heads of the whole archive, and give them to whoever publishes them.

A head is one SHA-256 over the heads of all chains, of the bytes that `verify --save-head` writes. It is
recorded when a run ends that has extended a chain. Instants are aware UTC.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, event, func, insert, select, text
from sqlalchemy.orm import Session

from archive.db.models import Chain, ChainEntry, Head, HeadLength
from archive.repository.hash_chain import ChainHead, append_noted

_LOCK = text("SELECT pg_advisory_xact_lock(4170205813)")  # any number: one records a head at a time

_LAST = select(Head.id, Head.taken_at, Head.digest).order_by(Head.id.desc()).limit(1)

_NOTED = "when to record a head"  # key in session.info


@dataclass(frozen=True, slots=True)
class ArchiveHead:
    """The head of the archive at `taken_at`; `chains` are the heads that its digest vouches for, or some.

    The digest is hexadecimal.
    """

    taken_at: datetime
    digest: str
    chains: tuple[ChainHead, ...]


def heads_file(heads: Sequence[ChainHead]) -> bytes:
    """Return heads as a file: a JSON array with a line for each chain, by account."""
    lines = [json.dumps(head._asdict(), ensure_ascii=False) for head in heads]
    return ("[\n" + ",\n".join(lines) + "\n]\n").encode()


def heads_digest(heads: Sequence[ChainHead]) -> bytes:
    """Return the digest of a head of the archive: that of the file of these heads."""
    return hashlib.sha256(heads_file(heads)).digest()


def note_head(session: Session, now: datetime) -> None:
    """Record the head of the archive when the transaction commits, if it has changed."""
    session.info[_NOTED] = now
    if not event.contains(session, "before_commit", _record_at_commit):
        event.listen(session, "before_commit", _record_at_commit)


def _record_at_commit(session: Session) -> None:
    if not session.in_nested_transaction() and (now := session.info.pop(_NOTED, None)):
        record_head(session, now)


def record_head(session: Session, now: datetime) -> None:
    """Record the head of the archive, if it has changed; no other is recorded until the transaction ends."""
    append_noted(session)
    session.execute(_LOCK)
    rows = select(Chain.id, Chain.biz, Chain.length, Chain.digest).order_by(Chain.biz.collate("C"))
    chains = session.execute(rows).all()
    digest = heads_digest([ChainHead(row.biz, row.length, row.digest.hex()) for row in chains])
    last = session.execute(_LAST).one_or_none()
    if not chains or (last is not None and last.digest == digest):
        return
    head_id = session.scalars(insert(Head).values(taken_at=now, digest=digest).returning(Head.id)).one()
    before = {row.chain_id: row.length for row in session.execute(_lengths(last.id))} if last else {}
    grown = [
        {"head_id": head_id, "chain_id": row.id, "length": row.length}
        for row in chains
        if before.get(row.id) != row.length
    ]
    if grown:
        session.execute(insert(HeadLength), grown)


def _lengths(head_id: int) -> Select[int, int]:
    """Select the length of each chain at a head: chains only grow."""
    rows = select(HeadLength.chain_id, func.max(HeadLength.length).label("length"))
    return rows.where(HeadLength.head_id <= head_id).group_by(HeadLength.chain_id)


def chains_at(session: Session, head_id: int, bizs: Collection[str] | None = None) -> list[ChainHead]:
    """Return the heads of all chains, or of these accounts, at a head of the archive."""
    lengths = _lengths(head_id).subquery()
    at_end = (ChainEntry.chain_id == lengths.c.chain_id) & (ChainEntry.position == lengths.c.length)
    rows = select(Chain.biz, lengths.c.length, ChainEntry.digest).join(
        lengths, lengths.c.chain_id == Chain.id
    )
    rows = rows.join(ChainEntry, at_end)
    if bizs is not None:
        rows = rows.where(Chain.biz.in_(bizs))
    found = session.execute(rows.order_by(Chain.biz.collate("C")))
    return [ChainHead(biz, length, digest.hex()) for biz, length, digest in found]


def last_head(session: Session, bizs: Collection[str] | None = None) -> ArchiveHead | None:
    """Return the newest head with the heads of all chains, or of these accounts; None before the first."""
    row = session.execute(_LAST).one_or_none()
    if row is None:
        return None
    return ArchiveHead(row.taken_at, row.digest.hex(), tuple(chains_at(session, row.id, bizs)))


def last_digest(session: Session) -> ArchiveHead | None:
    """Return the newest head without the heads of chains; None before the first."""
    row = session.execute(_LAST).one_or_none()
    return row and ArchiveHead(row.taken_at, row.digest.hex(), ())


def find_head(session: Session, digest: bytes) -> int | None:
    """Return the id of the head with this digest; None where none was recorded."""
    return session.scalar(select(Head.id).where(Head.digest == digest))


def wrong_heads(session: Session, after: int, last: int) -> Iterator[tuple[int, bool]]:
    """Yield each head above an id and up to one, and whether its digest is not that of its chains."""
    rows = select(Head.id, Head.digest).where(Head.id > after, Head.id <= last).order_by(Head.id)
    heads = session.execute(rows).all()
    state = {head.biz: head for head in chains_at(session, heads[0].id - 1)} if heads else {}
    grown = select(HeadLength.head_id, Chain.biz, HeadLength.length, ChainEntry.digest)
    grown = grown.join(Chain, Chain.id == HeadLength.chain_id)
    at_end = (ChainEntry.chain_id == HeadLength.chain_id) & (ChainEntry.position == HeadLength.length)
    grown = grown.outerjoin(ChainEntry, at_end).where(HeadLength.head_id > after, HeadLength.head_id <= last)
    by_head: dict[int, list[ChainHead]] = {}
    for head_id, biz, length, digest in session.execute(grown):
        by_head.setdefault(head_id, []).append(ChainHead(biz, length, (digest or b"").hex()))
    for head in heads:
        state |= {chain.biz: chain for chain in by_head.get(head.id, ())}
        chains = [state[biz] for biz in sorted(state, key=str.encode)]
        yield head.id, heads_digest(chains) != head.digest
