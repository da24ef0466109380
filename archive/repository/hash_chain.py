"""Extend the hash chains by the rules of docs/reference/integrity.md: captures, versions, removals and facts.

The content of an entry is the SHA-256 of a JSON array of the row's values, computed in SQL. That of a
capture, version or removal never changes; a fact that changes gets another entry. What a transaction notes is
appended when it commits: one entry for each changed fact, and no chain is locked before everything else is.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    LargeBinary,
    Row,
    Select,
    Text,
    any_,
    bindparam,
    cast,
    delete,
    event,
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
    Address,
    Base,
    Capture,
    Chain,
    ChainEntry,
    PendingFact,
    Post,
    Removal,
    Version,
)
from archive.repository.evidence import OF_POSTS, FactKind, chain_biz, changed_facts

_INSTANT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'


def capture_contents() -> Select[int, str, bytes]:
    """Select the id, the biz of the chain and the entry's content of captures."""
    row = Capture
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
        Address.key,
    )
    chosen = select(row.id, chain_biz(Address).label("biz"), _content("capture", *values).label("content"))
    return chosen.outerjoin(Address, Address.id == row.address_id)


def version_contents() -> Select[int, str, bytes]:
    """Select the id, the biz of the chain and the entry's content of versions."""
    row, page = Version, aliased(Capture)
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

# Built once: they run for every page that is stored, and building them takes longer than running them.
_IDS = any_(cast(bindparam("ids"), ARRAY(BigInteger)))

_CAPTURES = capture_contents().where(Capture.id == _IDS).order_by(Capture.id)

_VERSIONS = version_contents().where(Version.id == _IDS).order_by(Version.id)

_REMOVALS = removal_contents().where(Removal.id == _IDS).order_by(Removal.id)

_LOCK = select(Chain.id, Chain.length, Chain.digest).where(Chain.biz == bindparam("biz")).with_for_update()

_NEW = postgresql.insert(Chain).on_conflict_do_nothing(constraint="uq__chains__biz")

_COLUMNS = {
    "position": BigInteger,
    "content_digest": LargeBinary,
    "digest": LargeBinary,
    "capture_id": BigInteger,
    "version_id": BigInteger,
    "removal_id": BigInteger,
    "fact_kind": Text,
    "fact_id": BigInteger,
}

# One statement for all entries, with an array for each column: inserting row by row takes ten times as long.
_ENTRIES = insert(Base.metadata.tables[ChainEntry.__tablename__]).from_select(
    ["chain_id", *_COLUMNS],
    select(
        cast(bindparam("chain"), BigInteger),
        *(func.unnest(cast(bindparam(name), ARRAY(type_))) for name, type_ in _COLUMNS.items()),
    ),
)

_CHAINS = Base.metadata.tables[Chain.__tablename__]

_GROW = update(_CHAINS).where(_CHAINS.c.id == bindparam("chain"))

_GROW = _GROW.values(length=bindparam("grown"), digest=bindparam("end"))


_PENDING = insert(Base.metadata.tables[PendingFact.__tablename__])

# Two that commit at once take different ones.
_FREE = select(PendingFact.id).with_for_update(skip_locked=True)

_TAKE_PENDING = (
    delete(PendingFact).where(PendingFact.id.in_(_FREE)).returning(PendingFact.fact_kind, PendingFact.fact_id)
)


class ChainHead(NamedTuple):
    """The end of one account's chain: it proves every entry before it."""

    biz: str
    length: int
    digest: str  # hexadecimal


def entry_digest(before: bytes, content: bytes, fact: str = "") -> bytes:
    """Return the digest of an entry: of the digest before it, its own content and the name of its fact."""
    return hashlib.sha256(before + content + fact.encode()).digest()


def fact_name(kind: str, id_: int) -> str:
    """Return what the digest of a fact's entry binds it to, such as `sighting 12`."""
    return f"{kind} {id_}"


class _Entry(NamedTuple):
    """An entry to append; `subject` are the columns that say what it vouches for."""

    biz: str
    content: bytes
    subject: dict[str, Any]
    fact: str = ""


@dataclass
class _Notes:
    """What a transaction has stored or changed and not yet appended, by ids."""

    captures: list[int] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    facts: dict[FactKind, set[int]] = field(default_factory=lambda: defaultdict(set))
    is_of_reader: bool = False


_NOTES = "notes for the hash chains"  # key in session.info


def _notes(session: Session) -> _Notes:
    """Return what a transaction has to append, and see to it that it is appended at its commit."""
    if not event.contains(session, "before_commit", _append_at_commit):
        event.listen(session, "before_commit", _append_at_commit)
    notes: _Notes = session.info.setdefault(_NOTES, _Notes())
    return notes


def append_captures(session: Session, ids: Sequence[int]) -> None:
    """Append captures that were just stored, when the transaction commits."""
    _notes(session).captures.extend(ids)


def append_versions(session: Session, ids: Sequence[int]) -> None:
    """Append versions that were just stored, when the transaction commits."""
    _notes(session).versions.extend(ids)


def append_facts(session: Session, kind: FactKind, ids: Collection[int]) -> None:
    """Append those facts of these rows that have changed, when the transaction commits."""
    _notes(session).facts[kind].update(ids)


def append_facts_of_posts(session: Session, ids: Collection[int]) -> None:
    """Append what has changed about these posts, when the transaction commits."""
    for kind in OF_POSTS:
        append_facts(session, kind, ids)


def leave_to_owner(session: Session) -> None:
    """Let the owner's next transaction append what this one stores: its role may not write chains."""
    _notes(session).is_of_reader = True


def append_removals(session: Session, ids: Sequence[int]) -> None:
    """Append removals that were just stored; their chains stay locked until the transaction ends."""
    rows = session.execute(_REMOVALS, {"ids": ids}).all() if ids else ()
    _append(session, [_Entry(row.biz, row.content, {"removal_id": row.id}) for row in rows])


def chain_heads(session: Session) -> list[ChainHead]:
    """Return the heads of all chains, by account."""
    append_noted(session)
    rows = select(Chain.biz, Chain.length, Chain.digest).order_by(Chain.biz.collate("C"))
    return [ChainHead(biz, length, digest.hex()) for biz, length, digest in session.execute(rows)]


def append_noted(session: Session) -> None:
    """Append what the transaction has noted so far; its chains stay locked until it ends."""
    notes: _Notes | None = session.info.pop(_NOTES, None)
    if notes is None:
        return
    session.flush()
    if notes.is_of_reader:
        pending = [{"fact_kind": kind, "fact_id": id_} for kind, ids in notes.facts.items() for id_ in ids]
        session.execute(_PENDING, pending)
        return
    for row in session.execute(_TAKE_PENDING):
        notes.facts[FactKind(row.fact_kind)].add(row.fact_id)
    _append(session, list(_noted_entries(session, notes)))


def _noted_entries(session: Session, notes: _Notes) -> Iterator[_Entry]:
    if notes.captures:
        for row in session.execute(_CAPTURES, {"ids": notes.captures}):
            yield _Entry(row.biz, row.content, {"capture_id": row.id})
    if notes.versions:
        for row in session.execute(_VERSIONS, {"ids": notes.versions}):
            yield _Entry(row.biz, row.content, {"version_id": row.id})
    if any(notes.facts.values()):
        for fact in changed_facts(session, notes.facts):
            subject = {"fact_kind": fact.kind, "fact_id": fact.id}
            yield _Entry(fact.biz, fact.content, subject, fact_name(fact.kind, fact.id))


def _append_at_commit(session: Session) -> None:
    if not session.in_nested_transaction():
        append_noted(session)


@event.listens_for(Session, "after_rollback")
def _forget_notes(session: Session) -> None:
    session.info.pop(_NOTES, None)


def _append(session: Session, entries: Sequence[_Entry]) -> None:
    chains: dict[str, list[_Entry]] = defaultdict(list)
    for entry in entries:
        chains[entry.biz].append(entry)
    for biz in sorted(chains):
        _extend(session, _locked(session, biz), chains[biz])


def _locked(session: Session, biz: str) -> Row[int, int, bytes]:
    """Lock an account's chain, created if there is none."""
    if chain := session.execute(_LOCK, {"biz": biz}).one_or_none():
        return chain
    session.execute(_NEW, {"biz": biz, "length": 0, "digest": START})
    return session.execute(_LOCK, {"biz": biz}).one()


def _extend(session: Session, chain: Row[int, int, bytes], entries: Sequence[_Entry]) -> None:
    digest, rows = chain.digest, []
    for position, entry in enumerate(entries, chain.length + 1):
        digest = entry_digest(digest, entry.content, entry.fact)
        rows.append(
            {"position": position, "content_digest": entry.content, "digest": digest, **entry.subject}
        )
    columns = {name: [row.get(name) for row in rows] for name in _COLUMNS}
    session.execute(_ENTRIES, {"chain": chain.id, **columns})
    grown = {"chain": chain.id, "grown": chain.length + len(rows), "end": digest}
    session.execute(_GROW, grown)
