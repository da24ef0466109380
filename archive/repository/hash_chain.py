"""Extend the hash chains over captures, versions and removals, by the rules of docs/reference/integrity.md.

The content of an entry is the SHA-256 of a JSON array of the row's values, computed in SQL; it holds nothing
that may change later.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Row,
    Select,
    Text,
    any_,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, aliased

from archive.db.models import (
    Account,
    AddressRow,
    Base,
    CaptureRow,
    Chain,
    ChainEntry,
    Post,
    Removal,
    Version,
)

_INSTANT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'

_LONG_KEY = "^[^:]+:[0-9]+:[0-9]+$"


def capture_contents() -> Select[int, str, bytes]:
    """Select the id, the biz of the chain and the entry's content of captures."""
    row = CaptureRow
    values = (
        row.requested_url,
        row.final_url,
        row.status,
        row.headers,
        _hex(row.sha256),
        row.body_size,
        _instant(row.fetched_at),
        row.rendered,
        _hash(cast(row.evaluated, Text)),
        AddressRow.key,
    )
    chosen = select(row.id, _biz().label("biz"), _content("capture", *values).label("content"))
    return chosen.outerjoin(AddressRow, AddressRow.id == row.address_id)


def version_contents() -> Select[int, str, bytes]:
    """Select the id, the biz of the chain and the entry's content of versions."""
    row, page = Version, aliased(CaptureRow)
    values = (
        Account.biz,
        Post.aid,
        row.number,
        row.content_hash,
        row.source,
        _hex(page.sha256),
        row.parser_version,
        _instant(row.recorded_at),
    )
    chosen = select(row.id, Account.biz.label("biz"), _content("version", *values).label("content"))
    chosen = chosen.join(Post, Post.id == row.post_id).join(Account, Account.id == Post.account_id)
    return chosen.outerjoin(page, page.id == row.capture_id)


def removal_contents() -> Select[int, str, bytes]:
    """Select the id, the biz of the chain and the entry's content of removals."""
    row = Removal
    values = (row.biz, row.reason, _instant(row.removed_at), _hash(cast(row.removed, Text)))
    return select(row.id, row.biz, _content("removal", *values).label("content"))


def _biz() -> ColumnElement[str]:
    """Return the account of a capture's address: by the address, else by the source that listed it."""
    by_address = case((AddressRow.key.regexp_match(_LONG_KEY), func.split_part(AddressRow.key, ":", 1)))
    return func.coalesce(by_address, AddressRow.expected_biz, "")


def _content(subject: str, *values: Any) -> ColumnElement[bytes]:
    return _sha256(cast(func.jsonb_build_array(cast(literal(subject), Text), *values), Text))


def _hash(text: Any) -> ColumnElement[str]:
    return _hex(_sha256(text))


def _sha256(text: Any) -> ColumnElement[bytes]:
    return func.sha256(func.convert_to(text, "UTF8"))


def _hex(value: Any) -> ColumnElement[str]:
    return func.encode(value, "hex")


def _instant(value: Any) -> ColumnElement[str]:
    return func.to_char(func.timezone("UTC", value), _INSTANT)


START = bytes(32)  # stands for the digest before the first entry of a chain

_Subject = Row[int, str, bytes]

# Built once: they run for every page that is stored, and building them takes longer than running them.
_IDS = any_(cast(bindparam("ids"), ARRAY(BigInteger)))

_CAPTURES = capture_contents().where(CaptureRow.id == _IDS).order_by(CaptureRow.id)

_VERSIONS = version_contents().where(Version.id == _IDS).order_by(Version.id)

_REMOVALS = removal_contents().where(Removal.id == _IDS).order_by(Removal.id)

_LOCK = select(Chain.id, Chain.length, Chain.digest).where(Chain.biz == bindparam("biz")).with_for_update()

_NEW = postgresql.insert(Chain).on_conflict_do_nothing(constraint="uq__chains__biz")

_ENTRIES = insert(Base.metadata.tables[ChainEntry.__tablename__])

_CHAINS = Base.metadata.tables[Chain.__tablename__]

_GROW = update(_CHAINS).where(_CHAINS.c.id == bindparam("chain"))

_GROW = _GROW.values(length=bindparam("grown"), digest=bindparam("end"))


class ChainHead(NamedTuple):
    """The end of one account's chain: it proves every entry before it."""

    biz: str
    length: int
    digest: str  # hexadecimal


def entry_digest(before: bytes, content: bytes) -> bytes:
    """Return the digest of an entry: of the digest before it and its own content."""
    return hashlib.sha256(before + content).digest()


def append_captures(session: Session, ids: Sequence[int]) -> None:
    """Append captures that were just stored; their chains stay locked until the transaction ends."""
    _append(session, "capture_id", session.execute(_CAPTURES, {"ids": ids}).all() if ids else ())


def append_versions(session: Session, ids: Sequence[int]) -> None:
    """Append versions that were just stored; their chains stay locked until the transaction ends."""
    _append(session, "version_id", session.execute(_VERSIONS, {"ids": ids}).all() if ids else ())


def append_removals(session: Session, ids: Sequence[int]) -> None:
    """Append removals that were just stored; their chains stay locked until the transaction ends."""
    _append(session, "removal_id", session.execute(_REMOVALS, {"ids": ids}).all() if ids else ())


def chain_heads(session: Session) -> list[ChainHead]:
    """Return the heads of all chains, by account."""
    rows = select(Chain.biz, Chain.length, Chain.digest).order_by(Chain.biz.collate("C"))
    return [ChainHead(biz, length, digest.hex()) for biz, length, digest in session.execute(rows)]


def _append(session: Session, subject: str, rows: Sequence[_Subject]) -> None:
    chains: dict[str, list[_Subject]] = defaultdict(list)
    for row in rows:
        chains[row.biz].append(row)
    for biz in sorted(chains):
        _extend(session, _locked(session, biz), subject, chains[biz])


def _locked(session: Session, biz: str) -> Row[int, int, bytes]:
    """Lock an account's chain, created if there is none."""
    if chain := session.execute(_LOCK, {"biz": biz}).one_or_none():
        return chain
    session.execute(_NEW, {"biz": biz, "length": 0, "digest": START})
    return session.execute(_LOCK, {"biz": biz}).one()


def _extend(session: Session, chain: Row[int, int, bytes], subject: str, rows: Sequence[_Subject]) -> None:
    digest, entries = chain.digest, []
    for position, row in enumerate(rows, chain.length + 1):
        digest = entry_digest(digest, row.content)
        entry = {"position": position, subject: row.id, "content": row.content, "digest": digest}
        entries.append({"chain_id": chain.id, **entry})
    session.execute(_ENTRIES, entries)
    grown = {"chain": chain.id, "grown": chain.length + len(entries), "end": digest}
    session.execute(_GROW, grown)
