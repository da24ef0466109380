"""Check facts: what rows say now is what the newest entries of their facts in the hash chains say.

A fact is checked with its newest entry; earlier entries are its history.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from sqlalchemy import select, text, tuple_
from sqlalchemy.orm import Session, aliased

from archive.db.models import ChainEntry, PendingFact
from archive.domain.messages import Message
from archive.integrity.check import BatchResult, Check, Finding, RowRange
from archive.repository.evidence import LAST_ENTRY, RULES, FactKind, facts_of

FACTS = "facts"  # name of the checks

ROWS_AT_ONCE = 2000

POSTS_AT_ONCE = 500  # each is read with its HTML


def check_facts(rows: RowRange) -> BatchResult:
    """Check the rows whose facts have their newest entry among these."""
    later = aliased(ChainEntry)
    is_same = (later.fact_kind == ChainEntry.fact_kind) & (later.fact_id == ChainEntry.fact_id)
    in_chain = later.chain_id == ChainEntry.chain_id
    query = select(
        ChainEntry.id,
        ChainEntry.fact_kind,
        ChainEntry.fact_id,
        ChainEntry.content_digest,
        ChainEntry.removed_by_id,
        select(later.id).where(is_same, in_chain, later.position > ChainEntry.position).exists(),
        select(later.id).where(is_same, ~in_chain).exists(),
    )
    query = query.where(rows.contains(ChainEntry.id))
    result = BatchResult()
    newest: dict[FactKind, dict[int, Any]] = defaultdict(dict)
    for entry in rows.session.execute(query.order_by(ChainEntry.id)):
        *_, is_past, is_in_two_chains = entry
        result.rows += 1
        if entry.fact_kind is None:
            continue
        if is_in_two_chains:
            message = Message("archive.integrity.fact_in_two_chains")
            result.findings.append(_finding(entry.fact_kind, entry.fact_id, message))
        if not is_past:
            newest[FactKind(entry.fact_kind)][entry.fact_id] = entry
    for kind, entries in newest.items():
        result.findings += _compare(rows.session, kind, entries)
    return result


def _compare(session: Session, kind: FactKind, entries: dict[int, Any]) -> Iterator[Finding]:
    """Compare the newest entries of facts of one kind with the rows."""
    facts = {fact.id: fact for fact in session.execute(facts_of(kind), {"ids": sorted(entries)})}
    for id_, entry in entries.items():
        fact = facts.get(id_)
        if entry.removed_by_id is not None:
            if fact is not None and not fact.is_empty:
                yield _finding(kind, id_, Message("archive.integrity.fact_of_removed_row"))
        elif fact is None:
            yield _finding(kind, id_, Message("archive.integrity.chained_row_gone"))
        elif fact.content != entry.content_digest:
            yield _finding(kind, id_, Message("archive.integrity.fact_changed", {"fact": _named(kind)}))


def _finding(kind: str, id_: int, message: Message) -> Finding:
    return Finding(FACTS, RULES[FactKind(kind)].table, id_, message)


def _named(kind: str) -> Message:
    return Message(f"archive.integrity.fact.{kind}")


def check_recorded(kinds: Sequence[FactKind], rows: RowRange) -> BatchResult:
    """Check that the facts of every row have entries; what the web has just stored gets them soon."""
    result = BatchResult()
    for kind in kinds:
        result.rows = _check_kind(kind, rows, result)
    return result


def _check_kind(kind: FactKind, rows: RowRange, result: BatchResult) -> int:
    """Add what is wrong with one kind of facts, and return the number of rows."""
    ids = f"({RULES[kind].select(kind, 'r.id > :after AND r.id <= :last')}) f"
    last = f"LEFT JOIN LATERAL ({LAST_ENTRY.format(kind=kind, id='f.id')}) last ON true"
    is_missing = "NOT f.is_empty AND last.content_digest IS NULL"
    query = text(f"SELECT f.id, {is_missing} FROM {ids} {last} ORDER BY f.id")  # noqa: S608 - constants
    found = rows.session.execute(query, {"after": rows.after, "last": rows.last}).all()
    missing = [id_ for id_, missing in found if missing]
    subject = tuple_(PendingFact.fact_kind, PendingFact.fact_id)
    pending = set(
        rows.session.scalars(select(PendingFact.fact_id).where(subject.in_([(kind, id_) for id_ in missing])))
    )
    message = Message("archive.integrity.fact_in_no_chain", {"fact": _named(kind)})
    result.findings += [_finding(kind, id_, message) for id_ in missing if id_ not in pending]
    if pending:
        result.notes["archive.integrity.note_pending_facts"] += len(pending)
    return len(found)


def _kinds_of(table: str) -> list[FactKind]:
    return [kind for kind, rule in RULES.items() if rule.table == table]


FACT_CHECKS = (
    Check(FACTS, "chain_entries", ROWS_AT_ONCE, check_facts),
    *(
        Check(
            FACTS,
            table,
            POSTS_AT_ONCE if table == "posts" else ROWS_AT_ONCE,
            partial(check_recorded, _kinds_of(table)),
        )
        for table in dict.fromkeys(rule.table for rule in RULES.values())
    ),
)
