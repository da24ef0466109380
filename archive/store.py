"""Every write to the archive. Each function takes a session and leaves the commit to its caller.

Rows are locked in one order everywhere, so that processes cannot wait for each other in a ring: accounts by
biz, addresses by key, then sightings, captures, posts by account and aid, versions, chains by biz, media by
key, files, post_media, post_links. Text is compared as Python compares it (COLLATE "C"), not as the
database's language would.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Row, case, insert, select, update
from sqlalchemy.orm import Session

from archive import absences
from archive.address import parse_address
from archive.bodies import Packed, References, packed
from archive.capture import Capture
from archive.decide import PAGE, REPARSE, Stored
from archive.errors import in_words
from archive.expected import without_strangers
from archive.faults import is_of_content
from archive.incidents import note_captures
from archive.integrity.chain import append_captures
from archive.links import put_links
from archive.media.store import tie_media
from archive.models import CaptureRow, Run
from archive.posts import CurrentPage, PostState, put_posts
from archive.reading import Reading, unreadable
from archive.record import Record
from archive.settling import record_failures, settle_addresses
from archive.sighting import Sighted, Sighting
from archive.text import storable, storable_json
from archive.twins import give_chksm, with_chksm
from archive.vocabulary import Outcome
from archive.work_list import (
    account_id,
    assign,
    make_due,
    note_sightings,
    put_accounts,
    record_sightings,
)

__all__ = [
    "Sighted",
    "Sighting",
    "Stored",
    "account_id",
    "assign",
    "close_run",
    "finish_run",
    "import_records",
    "keep_captures",
    "make_due",
    "record_failures",
    "record_sightings",
    "start_run",
    "store_each",
    "store_readings",
]


T = TypeVar("T")
InTransaction = Callable[[Callable[[Session], T]], T]  # runs a function in a transaction of its own


def start_run(session: Session, command: str, arguments: Mapping[str, Any], now: datetime) -> int:
    """Note that a piece of work begins; returns its id."""
    row = insert(Run).values(command=command, arguments=storable_json(dict(arguments)), started_at=now)
    return session.execute(row.returning(Run.id)).scalar_one()


def finish_run(session: Session, run_id: int, verdict: str, counts: Mapping[str, Any], now: datetime) -> None:
    """Note how it ended."""
    values = {"verdict": verdict, "counts": dict(counts), "finished_at": now}
    session.execute(update(Run).where(Run.id == run_id).values(values))


def close_run(session: Session, run_id: int, verdict: str, now: datetime) -> None:
    """Note the end of a run whose own process could not: killed, refused, out of time."""
    left_open = update(Run).where(Run.id == run_id, Run.finished_at.is_(None))
    session.execute(left_open.values(verdict=verdict, finished_at=now))


def import_records(
    session: Session, run_id: int | None, records: Sequence[Record], source: str, now: datetime
) -> list[Stored]:
    """Take over records of a dump: posts, versions, sightings and addresses. One answer each, in order.

    Raises AddressError when a record's address is not one of a post.
    """
    addresses = [parse_address(record.url) for record in records]
    accounts = put_accounts(session, {a.biz: r.account for a, r in zip(addresses, records, strict=True)})
    sightings = [Sighting(a, source, now, title=r.title) for a, r in zip(addresses, records, strict=True)]
    note_sightings(session, run_id, sightings, now)
    states = [
        PostState(accounts[address.biz], record, source)
        for address, record in zip(addresses, records, strict=True)
    ]
    puts = put_posts(session, run_id, states, now)
    give_chksm(session, addresses)  # locks no post that is not locked by now
    return [put.result for put in puts]


def keep_captures(
    session: Session, run_id: int | None, captures: Sequence[tuple[int | None, Capture]]
) -> list[int]:
    """Keep answers as they came, before anybody reads them; their ids, in order.

    It ends a transaction: it locks the chains, which come after what storing a reading locks.
    """
    if not captures:
        return []
    references = References(session)
    ids: list[int] = []
    waiting: list[dict[str, Any]] = []
    for address_id, capture in captures:
        body = packed(capture, references)
        waiting.append(_row(run_id, address_id, capture, body))
        if body.is_reference:  # the next ones of this very batch may be stored against it
            ids += _insert(session, waiting)
            waiting = []
            references.add(ids[-1], capture)
    ids += _insert(session, waiting)
    append_captures(session, ids)
    return ids


def _row(run_id: int | None, address_id: int | None, capture: Capture, body: Packed) -> dict[str, Any]:
    return {
        "address_id": address_id,
        "run_id": run_id,
        "requested_url": storable(capture.requested_url),
        "final_url": storable(capture.final_url),
        "status": capture.status,
        "headers": storable_json([list(pair) for pair in capture.headers]),
        **body.columns,
        "body_size": len(capture.body),
        "sha256": capture.sha256,
        "fetched_at": capture.fetched_at,
        "rendered": capture.rendered,
        "evaluated": storable_json(capture.evaluated),
    }


def _insert(session: Session, rows: Sequence[dict[str, Any]]) -> list[int]:
    if not rows:
        return []
    statement = insert(CaptureRow).returning(CaptureRow.id, sort_by_parameter_order=True)
    return list(session.scalars(statement, rows))


def store_readings(
    session: Session,
    run_id: int | None,
    readings: Sequence[tuple[int, Reading]],
    now: datetime,
    parser_version: int | None = None,
) -> list[Stored]:
    """Store what captures were read as: outcome, address state, post, version, absence, media and links.

    One answer each, in order. What was read before, by an earlier parser, is marked as such.
    """
    told, readings = readings, without_strangers(session, readings)
    names = {r.biz: r.record.account for _, r in readings if r.biz and r.record}
    accounts = put_accounts(session, names)
    kept = _kept(session, [capture_id for capture_id, _ in readings])
    urls = settle_addresses(session, readings, accounts, now)
    readings = [(capture_id, with_chksm(reading, urls)) for capture_id, reading in readings]
    _note_outcomes(session, readings, parser_version)
    posts = {
        place: PostState(
            accounts[r.biz],
            r.record,
            kept[capture_id].source,
            capture_id,
            r,
            parser_version,
            kept[capture_id].fetched_at,
        )
        for place, (capture_id, r) in enumerate(readings)
        if r.outcome is Outcome.ARTICLE and r.record and r.biz
    }
    captures = [capture_id for capture_id, _ in readings]
    if any(reading.outcome.is_away for _, reading in readings):
        absences.lock_posts(session, captures)  # with those that are put now: all in one order
    stored = _put_pages(session, run_id, readings, posts, now)
    absences.note(session, captures)
    failed = {capture_id: reading.reason for capture_id, reading in readings if reading.is_unreadable}
    note_captures(session, failed, set(captures) - set(failed), now)
    return [
        stored.get(place) or (Stored.FOREIGN if before.record and not reading.record else Stored.NOT_A_POST)
        for place, ((_, before), (_, reading)) in enumerate(zip(told, readings, strict=True))
    ]


def store_each(
    in_transaction: InTransaction[list[Stored]],
    run_id: int | None,
    readings: Sequence[tuple[int, Reading]],
    now: datetime,
    parser_version: int | None = None,
) -> list[tuple[Reading, Stored]]:
    """Store readings together; where one cannot be stored, that one as unreadable, the others as they are.

    Returns what was stored of each, in order. Each then has a transaction of its own: in a common one the
    rows of all would be locked in the order of the readings, which another process may wait for.
    """
    try:
        stored = in_transaction(
            lambda session: store_readings(session, run_id, readings, now, parser_version)
        )
        return [(reading, what) for (_, reading), what in zip(readings, stored, strict=True)]
    except Exception as error:
        if not is_of_content(error) or (len(readings) == 1 and readings[0][1].is_unreadable):
            raise
        failure = unreadable(in_words(error))
    if len(readings) == 1:
        readings = [(readings[0][0], failure)]
        return store_each(in_transaction, run_id, readings, now, parser_version)
    return [
        one for pair in readings for one in store_each(in_transaction, run_id, [pair], now, parser_version)
    ]


def _kept(session: Session, capture_ids: Sequence[int]) -> dict[int, Row[tuple[int, datetime, str]]]:
    """By id: when these captures were fetched, and what they are the source of."""
    source = case((CaptureRow.outcome.is_(None), PAGE), else_=REPARSE)
    rows = select(CaptureRow.id, CaptureRow.fetched_at, source.label("source"))
    return {row.id: row for row in session.execute(rows.where(CaptureRow.id.in_(capture_ids)))}


def _note_outcomes(
    session: Session, readings: Sequence[tuple[int, Reading]], parser_version: int | None
) -> None:
    for capture_id, reading in readings:
        values = {
            "outcome": reading.outcome,
            "reason": storable(reading.reason),
            "parser_version": parser_version,
        }
        session.execute(update(CaptureRow).where(CaptureRow.id == capture_id).values(values))


def _put_pages(
    session: Session,
    run_id: int | None,
    readings: Sequence[tuple[int, Reading]],
    posts: Mapping[int, PostState],
    now: datetime,
) -> dict[int, Stored]:
    """Put the posts among readings, with what they show and lead to; what became of each, by its place."""
    puts = dict(zip(posts, put_posts(session, run_id, list(posts.values()), now), strict=True))
    pages = [CurrentPage(put.post_id, *readings[place]) for place, put in puts.items() if put.is_current]
    tie_media(session, pages, now)
    put_links(session, pages)
    return {place: put.result for place, put in puts.items()}
