"""Check hash chains: every capture, version and removal is in one, unchanged, and entries follow in order.

The rows of some entries were removed on purpose: a removal, itself in a chain, must list each of these.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from sqlalchemy import Row, Select, Text, and_, column, func, literal, select
from sqlalchemy.orm import aliased

from archive.db.models import Account, Address, Capture, Chain, ChainEntry, Removal, Version
from archive.domain.messages import Message
from archive.domain.outcomes import FORGOTTEN
from archive.integrity.check import BatchResult, Check, Finding, RowRange
from archive.repository.hash_chain import (
    START,
    capture_contents,
    entry_digest,
    fact_name,
    removal_contents,
    version_contents,
)
from archive.repository.heads import wrong_heads

CHAINS = "chains"  # name of the checks

ROWS_AT_ONCE = 2000

REMOVALS_AT_ONCE = 1  # each lists all that it removed


def check_entries(rows: RowRange) -> BatchResult:
    """Check that entries follow from those before, and that what they vouch for is unchanged."""
    entries = rows.session.execute(_entries().where(rows.contains(ChainEntry.id))).all()
    return BatchResult(len(entries), [finding for entry in entries for finding in _wrong_with(entry)])


def _entries() -> Select[*tuple[Any, ...]]:
    previous = aliased(ChainEntry)
    captures = capture_contents().subquery()
    versions = version_contents().subquery()
    removals = removal_contents().subquery()
    rows = select(
        ChainEntry.id,
        ChainEntry.chain_id,
        ChainEntry.position,
        ChainEntry.capture_id,
        ChainEntry.version_id,
        ChainEntry.removal_id,
        ChainEntry.removed_by_id,
        ChainEntry.fact_kind,
        ChainEntry.fact_id,
        ChainEntry.content_digest,
        ChainEntry.digest,
        previous.digest.label("previous_digest"),
        Chain.id.label("known_chain_id"),
        func.coalesce(captures.c.content, versions.c.content, removals.c.content).label("current_content"),
        # not for captures: it may become known later that one is of another account
        (func.coalesce(versions.c.biz, removals.c.biz) != Chain.biz).label("is_of_other_account"),
    )
    rows = rows.outerjoin(captures, captures.c.id == ChainEntry.capture_id)
    rows = rows.outerjoin(versions, versions.c.id == ChainEntry.version_id)
    rows = rows.outerjoin(removals, removals.c.id == ChainEntry.removal_id)
    rows = rows.outerjoin(Chain, Chain.id == ChainEntry.chain_id)
    same_chain = previous.chain_id == ChainEntry.chain_id
    rows = rows.outerjoin(previous, same_chain & (previous.position == ChainEntry.position - 1))
    return rows.order_by(ChainEntry.id)


def _wrong_with(entry: Row[Any]) -> Iterator[Finding]:
    """Yield what is wrong with an entry, its chain, and the row it vouches for."""
    table, id_ = _subject(entry)
    if entry.removed_by_id is not None or entry.fact_kind is not None:
        pass  # check_removals compares what was removed with the removal, check_facts facts with their rows
    elif entry.current_content is None:
        yield Finding(CHAINS, table, id_, Message("archive.integrity.chained_row_gone"))
    elif entry.current_content != entry.content_digest:
        yield Finding(CHAINS, table, id_, Message("archive.integrity.chained_row_changed"))
    if entry.known_chain_id is None:
        yield _about_entry(entry, Message("archive.integrity.chain_gone", {"chain": entry.chain_id}))
    if entry.is_of_other_account:
        yield Finding(CHAINS, "chains", entry.chain_id, Message("archive.integrity.chain_mixes_accounts"))
    if entry.position != 1 and entry.previous_digest is None:
        position = {"position": entry.position - 1}
        yield _about_entry(entry, Message("archive.integrity.chain_position_missing", position))
    elif entry.digest != entry_digest(entry.previous_digest or START, entry.content_digest, _fact(entry)):
        yield _about_entry(entry, Message("archive.integrity.chain_link_broken"))


def _fact(entry: Row[Any]) -> str:
    return "" if entry.fact_kind is None else fact_name(entry.fact_kind, entry.fact_id)


def _subject(entry: Row[Any]) -> tuple[str, int]:
    """Return the table and the id of the row that an entry vouches for, or vouched for."""
    if entry.capture_id is not None:
        return "captures", entry.capture_id
    if entry.version_id is not None:
        return "versions", entry.version_id
    return "removals", entry.removal_id if entry.removal_id is not None else entry.removed_by_id


def _about_entry(entry: Row[Any], message: Message) -> Finding:
    return Finding(CHAINS, "chain_entries", entry.id, message)


def check_heads(rows: RowRange) -> BatchResult:
    """Check that each chain is of a known account, with the length and the digest of its last entry."""
    last = select(ChainEntry.digest).where(
        ChainEntry.chain_id == Chain.id, ChainEntry.position == Chain.length
    )
    count = select(func.count()).where(ChainEntry.chain_id == Chain.id)
    known = select(Account.id).where(Account.biz == Chain.biz).exists()
    is_named = (Chain.biz == "") | known | select(Removal.id).where(Removal.biz == Chain.biz).exists()
    ends = count.scalar_subquery(), last.limit(1).scalar_subquery()
    query = select(Chain.id, Chain.length, Chain.digest, *ends, is_named)
    result = BatchResult()
    for id_, length, digest, entries, last_digest, is_of_account in rows.session.execute(
        query.where(rows.contains(Chain.id))
    ):
        result.rows += 1
        if not is_of_account:
            message = Message("archive.integrity.chain_of_unknown_account")
            result.findings.append(Finding(CHAINS, "chains", id_, message))
        if entries != length:
            counts = {"length": length, "entries": entries}
            message = Message("archive.integrity.chain_length_differs", counts)
            result.findings.append(Finding(CHAINS, "chains", id_, message))
        elif digest != (last_digest if length else START):
            message = Message("archive.integrity.chain_head_differs")
            result.findings.append(Finding(CHAINS, "chains", id_, message))
    return result


def check_archive_heads(rows: RowRange) -> BatchResult:
    """Check that each recorded head of the archive is that of the chains at their lengths then."""
    found = list(wrong_heads(rows.session, rows.after, rows.last))
    message = Message("archive.integrity.head_differs")
    return BatchResult(len(found), [Finding(CHAINS, "heads", id_, message) for id_, wrong in found if wrong])


def check_removals(rows: RowRange) -> BatchResult:
    """Check that removals are in chains, and that the entries without a row are those that they list."""
    result = check_membership(Removal, rows)
    for removal in rows.session.scalars(select(Removal).where(rows.contains(Removal.id))):
        listed: set[tuple[str, int, str]] = {
            (removal.biz, one["position"], one["content"]) for one in removal.removed["entries"]
        }
        marked = select(ChainEntry.position, ChainEntry.content_digest, Chain.biz).join(Chain)
        marked = marked.where(ChainEntry.removed_by_id == removal.id)
        found = {(biz, position, content.hex()) for position, content, biz in rows.session.execute(marked)}
        if listed != found:
            counts = {"listed": len(listed - found), "marked": len(found - listed)}
            message = Message("archive.integrity.removal_differs", counts)
            result.findings.append(Finding(CHAINS, "removals", removal.id, message))
    return result


def check_forgotten_addresses(rows: RowRange) -> BatchResult:
    """Check that a removal lists each address that is not fetched because its post was removed."""
    keys = func.jsonb_array_elements_text(Removal.removed["addresses"]).table_valued(column("value", Text))
    listed = select(keys.c.value).select_from(Removal).join(keys, literal(True))
    is_unlisted = and_(Address.last_outcome == FORGOTTEN, Address.key.not_in(listed))
    query = select(Address.id, is_unlisted).where(rows.contains(Address.id)).order_by(Address.id)
    found = rows.session.execute(query).all()
    message = Message("archive.integrity.forgotten_without_removal")
    unlisted = [Finding(CHAINS, "addresses", id_, message) for id_, is_wrong in found if is_wrong]
    return BatchResult(len(found), unlisted)


_ENTRY_COLUMNS = {
    Capture: ChainEntry.capture_id,
    Version: ChainEntry.version_id,
    Removal: ChainEntry.removal_id,
}


def check_membership(model: type[Capture] | type[Version] | type[Removal], rows: RowRange) -> BatchResult:
    """Check that every capture, version or removal is in a chain."""
    column = _ENTRY_COLUMNS[model]
    is_linked = select(ChainEntry.id).where(column == model.id).exists()
    query = select(model.id, is_linked).where(rows.contains(model.id)).order_by(model.id)
    found = rows.session.execute(query).all()
    message = Message("archive.integrity.row_in_no_chain")
    unlinked = [Finding(CHAINS, model.__tablename__, id_, message) for id_, linked in found if not linked]
    return BatchResult(len(found), unlinked)


CHAIN_CHECKS = (
    Check(CHAINS, "chain_entries", ROWS_AT_ONCE, check_entries),
    Check(CHAINS, "chains", ROWS_AT_ONCE, check_heads),
    Check(CHAINS, "heads", ROWS_AT_ONCE, check_archive_heads),
    Check(CHAINS, "captures", ROWS_AT_ONCE, partial(check_membership, Capture)),
    Check(CHAINS, "versions", ROWS_AT_ONCE, partial(check_membership, Version)),
    Check(CHAINS, "removals", REMOVALS_AT_ONCE, check_removals),
    Check(CHAINS, "addresses", ROWS_AT_ONCE, check_forgotten_addresses),
)
