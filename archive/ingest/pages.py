"""Store records of a dump and parse results of captures: every transaction that writes posts.

Each function takes a session and leaves the commit to its caller. Rows are locked in one order everywhere, so
that no two processes wait for each other: accounts by biz, addresses by address_keys.LOCK_ORDER, then
sightings, captures, posts by account and aid, versions, media by key, files, post_media, post_links, and when
the transaction commits chains by biz. Text is compared as Python compares it (COLLATE "C"), not by the rules
of the database's language.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.errors import AddressError, ArchiveError, RecordError, error_message
from archive.domain.messages import Message
from archive.domain.monitoring import IncidentKind
from archive.domain.outcomes import BLOCKING, Outcome
from archive.domain.parsed_page import CurrentPage, ParsedPage, PostState, unreadable
from archive.domain.records import Record
from archive.domain.update_decisions import StoreResult
from archive.repository import absences
from archive.repository.accounts import put_accounts
from archive.repository.address_outcomes import (
    add_chksm,
    drop_foreign_posts,
    record_outcomes,
    with_chksm,
)
from archive.repository.captures import capture_origins, store_outcomes
from archive.repository.frontier import store_sightings
from archive.repository.incidents import is_open, note_captures, note_problem
from archive.repository.media import put_post_media
from archive.repository.posts import put_links, put_posts
from archive.repository.served_posts import (
    OTHER_POST,
    REDIRECTED,
    drop_other_posts,
    other_post_problems,
)

_UNANSWERED = BLOCKING | {str(Outcome.UNKNOWN)}  # outcomes of pages whose style sheets are not wanted

_LIMIT_EXCEEDED = "54"  # class of SQLSTATE: a row or statement that is too large for the database


def is_of_content(error: Exception) -> bool:
    """Whether the error comes from what was read or stored, so that everything else can go on.

    An outage of the database, a full disk and too little memory would meet every other page as well.
    """
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        return isinstance(error, DataError | IntegrityError) or state.startswith(_LIMIT_EXCEEDED)
    if isinstance(error, ArchiveError):
        return isinstance(error, AddressError | RecordError)
    return not isinstance(error, SQLAlchemyError | OSError | MemoryError)


T = TypeVar("T")

InTransaction = Callable[[Callable[[Session], T]], T]  # runs a function in a transaction of its own


def import_records(
    session: Session, run_id: int | None, records: Sequence[Record], source: str, now: datetime
) -> list[StoreResult]:
    """Store records of a dump as posts, versions, sightings and addresses; return one result each, in order.

    `now` is an aware UTC instant. Raises AddressError when a record's address is not that of a post.
    """
    addresses = [parse_address(record.url) for record in records]
    accounts = put_accounts(session, {a.biz: r.account for a, r in zip(addresses, records, strict=True)})
    sightings = [SightingData(a, source, now, title=r.title) for a, r in zip(addresses, records, strict=True)]
    store_sightings(session, run_id, sightings, now)
    states = [
        PostState(accounts[address.biz], record, source)
        for address, record in zip(addresses, records, strict=True)
    ]
    stored = put_posts(session, run_id, states, now)
    add_chksm(session, addresses)  # locks no post that is not locked by now
    return [one.result for one in stored]


def store_parse_results(
    session: Session,
    run_id: int | None,
    results: Sequence[tuple[int, ParsedPage]],
    now: datetime,
    parser_version: int | None = None,
) -> list[StoreResult]:
    """Store parse results, each with its capture's id: outcome, address, post, version, absence, media.

    Return one result each, in order. `now` is an aware UTC instant.
    """
    return [result for _, result in _store_results(session, run_id, results, now, parser_version)]


def _store_results(
    session: Session,
    run_id: int | None,
    results: Sequence[tuple[int, ParsedPage]],
    now: datetime,
    parser_version: int | None,
) -> list[tuple[ParsedPage, StoreResult]]:
    """Store parse results; return each as it was stored, with the result.

    The page of a post that was not asked for is stored as a capture only, and as UNKNOWN.
    """
    results = drop_other_posts(session, results)
    own = drop_foreign_posts(session, results)
    names = {page.biz: page.record.account for _, page in own if page.biz and page.record}
    accounts = put_accounts(session, names)
    capture_ids = [capture_id for capture_id, _ in own]
    origins = capture_origins(session, capture_ids)
    urls = record_outcomes(session, own, accounts, now)
    own = [(capture_id, with_chksm(page, urls)) for capture_id, page in own]
    store_outcomes(session, own, parser_version, now)
    states = {
        place: PostState(
            accounts[page.biz],
            page.record,
            origins[capture_id].source,
            capture_id,
            page,
            parser_version,
            origins[capture_id].fetched_at,
            origins[capture_id].is_dated,
        )
        for place, (capture_id, page) in enumerate(own)
        if page.outcome is Outcome.ARTICLE and page.record and page.biz
    }
    if any(page.outcome.is_away for _, page in own):
        absences.lock_posts(session, capture_ids)  # with the posts stored next: all in one order
    stored = _store_posts(session, run_id, own, states, now)
    absences.update_absences(session, capture_ids)
    failed = {capture_id: page.reason for capture_id, page in own if page.is_unreadable}
    note_captures(session, failed, set(capture_ids) - set(failed), now)
    found = [
        (before, stored.get(place) or _without_post(before, page))
        for place, ((_, before), (_, page)) in enumerate(zip(results, own, strict=True))
    ]
    if any(result is StoreResult.OTHER_POST for _, result in found) or is_open(
        session, IncidentKind.OTHER_POSTS
    ):
        note_problem(session, IncidentKind.OTHER_POSTS, other_post_problems(session), now)
    return found


def _without_post(before: ParsedPage, page: ParsedPage) -> StoreResult:
    """Return why a parse result made no post; `page` is what was left of it."""
    if before.record and not page.record:
        return StoreResult.FOREIGN
    is_other = Message.load(page.reason).code in (OTHER_POST, REDIRECTED)
    return StoreResult.OTHER_POST if is_other else StoreResult.NOT_A_POST


def store_each(
    in_transaction: InTransaction[list[tuple[ParsedPage, StoreResult]]],
    run_id: int | None,
    results: Sequence[tuple[int, ParsedPage]],
    now: datetime,
    parser_version: int | None = None,
) -> list[tuple[ParsedPage, StoreResult]]:
    """Store parse results together; where one cannot be stored, store that one as unreadable.

    Return what was stored of each, in order. After a failure each has a transaction of its own: in a common
    one the rows of all would be locked in the order of the results, which another process may wait for.
    """
    try:
        return in_transaction(lambda session: _store_results(session, run_id, results, now, parser_version))
    except Exception as error:
        if not is_of_content(error) or (len(results) == 1 and results[0][1].is_unreadable):
            raise
        failure = unreadable(error_message(error))
    if len(results) == 1:
        return store_each(in_transaction, run_id, [(results[0][0], failure)], now, parser_version)
    return [
        one for pair in results for one in store_each(in_transaction, run_id, [pair], now, parser_version)
    ]


def _store_posts(
    session: Session,
    run_id: int | None,
    results: Sequence[tuple[int, ParsedPage]],
    states: Mapping[int, PostState],
    now: datetime,
) -> dict[int, StoreResult]:
    """Store the posts among parse results with media and links; return their results by index."""
    stored = dict(zip(states, put_posts(session, run_id, list(states.values()), now), strict=True))
    pages = [CurrentPage(one.post_id, *results[place]) for place, one in stored.items() if one.is_current]
    shown = (page for _, page in results if page.outcome not in _UNANSWERED)
    put_post_media(session, pages, now, {address for page in shown for address in page.style_sheets})
    put_links(session, pages)
    return {place: one.result for place, one in stored.items()}
