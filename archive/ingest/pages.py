"""Every write to the archive. Each function takes a session and leaves the commit to its caller.

Rows are locked in one order everywhere, so that processes cannot wait for each other in a ring: accounts by
biz, addresses by key, then sightings, captures, posts by account and aid, versions, chains by biz, media by
key, files, post_media, post_links. Text is compared as Python compares it (COLLATE "C"), not as the
database's language would.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Row, case, select, update
from sqlalchemy.orm import Session

from archive.db.models import CaptureRow
from archive.domain.addresses import parse_address
from archive.domain.captures import Sighting
from archive.domain.errors import error_message
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import CurrentPage, ParsedPage, PostState, unreadable
from archive.domain.pg_text import storable
from archive.domain.records import Record
from archive.domain.update_decisions import PAGE, REPARSE, StoreResult
from archive.ingest.faults import is_of_content
from archive.repository import absences
from archive.repository.accounts import put_accounts
from archive.repository.address_outcomes import (
    drop_foreign_posts,
    give_chksm,
    settle_addresses,
    with_chksm,
)
from archive.repository.frontier import note_sightings
from archive.repository.incidents import note_captures
from archive.repository.links import put_links
from archive.repository.media import tie_media
from archive.repository.posts import put_posts

T = TypeVar("T")

InTransaction = Callable[[Callable[[Session], T]], T]  # runs a function in a transaction of its own


def import_records(
    session: Session, run_id: int | None, records: Sequence[Record], source: str, now: datetime
) -> list[StoreResult]:
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


def store_readings(
    session: Session,
    run_id: int | None,
    readings: Sequence[tuple[int, ParsedPage]],
    now: datetime,
    parser_version: int | None = None,
) -> list[StoreResult]:
    """Store what captures were read as: outcome, address state, post, version, absence, media and links.

    One answer each, in order. What was read before, by an earlier parser, is marked as such.
    """
    told, readings = readings, drop_foreign_posts(session, readings)
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
    absences.update_absences(session, captures)
    failed = {capture_id: reading.reason for capture_id, reading in readings if reading.is_unreadable}
    note_captures(session, failed, set(captures) - set(failed), now)
    return [
        stored.get(place)
        or (StoreResult.FOREIGN if before.record and not reading.record else StoreResult.NOT_A_POST)
        for place, ((_, before), (_, reading)) in enumerate(zip(told, readings, strict=True))
    ]


def store_each(
    in_transaction: InTransaction[list[StoreResult]],
    run_id: int | None,
    readings: Sequence[tuple[int, ParsedPage]],
    now: datetime,
    parser_version: int | None = None,
) -> list[tuple[ParsedPage, StoreResult]]:
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
        failure = unreadable(error_message(error))
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
    session: Session, readings: Sequence[tuple[int, ParsedPage]], parser_version: int | None
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
    readings: Sequence[tuple[int, ParsedPage]],
    posts: Mapping[int, PostState],
    now: datetime,
) -> dict[int, StoreResult]:
    """Put the posts among readings, with what they show and lead to; what became of each, by its place."""
    puts = dict(zip(posts, put_posts(session, run_id, list(posts.values()), now), strict=True))
    pages = [CurrentPage(put.post_id, *readings[place]) for place, put in puts.items() if put.is_current]
    tie_media(session, pages, now)
    put_links(session, pages)
    return {place: put.result for place, put in puts.items()}
