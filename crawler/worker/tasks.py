"""Tasks of the worker process of a crawl: it unpacks, stores and parses pages, away from the reactor.

They are called through a process pool; between calls the process holds only its database connection.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import util
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from archive.db.advisory_locks import run_lock
from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings, RequestSettings
from archive.domain import captures as captures_module
from archive.domain import update_decisions
from archive.domain.addresses import parse_address
from archive.domain.captures import CaptureData
from archive.domain.errors import ArchiveError, IntegrityError, error_message
from archive.domain.messages import Message
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage, unreadable
from archive.ingest import pages
from archive.ingest.pages import is_of_content
from archive.repository import address_outcomes, bare_addresses, frontier, runs
from archive.repository import captures as captures_repository
from archive.repository.address_outcomes import keys_of_posts
from archive.storage.media_files import MediaFolder
from archive.system.child_processes import end_with_parent
from crawler.parse import PARSER_VERSION
from crawler.parse.page import AGREES
from crawler.parse.response import DamagedResponse, FetchedPage, unpack
from crawler.worker.page_parser import parse_within_bounds

DATABASE_ATTEMPTS = 4  # a server that restarts is back within the 7 s that these take

FIRST_WAIT = 1.0  # seconds, doubling

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageResult:
    """The result for one response. When it is no complete page, only `damage` is set.

    `reason` is stored text: a message as `Message.dump` writes it, or the page's own words.
    """

    outcome: Outcome = Outcome.UNKNOWN
    stored: str = ""
    reason: str = ""
    kind: str = ""
    aid: str = ""
    title: str = ""
    key: str = ""  # of the post's long address
    needs_browser: bool = False
    agreement: float | None = None  # of a rendered page: which share of the text the browser showed
    damage: Message | None = None
    interrupted: bool = False  # the worker died, which is not the fault of the address


@dataclass(frozen=True, slots=True)
class Failure:
    """An address that gave no response, and why; `reason` holds no secrets."""

    address_id: int
    reason: Message


class _Archive:
    """The open archive of this worker process."""

    engine: Engine
    settings: ArchiveSettings
    closing = ExitStack()
    failure: ArchiveError | None = None  # why there is no engine; raised by every call


def start(settings: ArchiveSettings) -> None:
    """Open the archive once, at the start of the worker process.

    An error is raised by the calls: an initializer that raises only breaks the pool, without its message.
    """
    _Archive.settings = settings
    end_with_parent()
    try:
        _Archive.engine = _Archive.closing.enter_context(open_archive(settings))
    except ArchiveError as error:
        _Archive.failure = error
    util.Finalize(None, _Archive.closing.close, exitpriority=10)


def ready() -> None:
    """Return at once: the caller then knows that a worker has started."""


def in_transaction(work: Callable[[Session], T]) -> T:
    """Run `work` in one transaction, and retry while the database is unavailable. Raises the last error."""
    if _Archive.failure is not None:
        raise _Archive.failure
    for attempt in range(DATABASE_ATTEMPTS - 1):
        try:
            with transaction(_Archive.engine) as session:
                return work(session)
        except (OperationalError, InterfaceError) as error:
            if is_of_content(error):
                raise
            time.sleep(FIRST_WAIT * 2**attempt)
            _Archive.engine.dispose()
    with transaction(_Archive.engine) as session:
        return work(session)


def media_folder() -> MediaFolder:
    """Return the archive's media folder. Raises MediaFolderError when it cannot be used."""
    return MediaFolder(_Archive.settings)


def open_run(command: str, arguments: dict[str, Any], now: datetime) -> int:
    """Open a run for a crawl that was started without one; it lasts as long as this worker."""
    run_id = in_transaction(lambda session: runs.start_run(session, command, arguments, now))
    _Archive.closing.enter_context(run_lock(_Archive.engine, run_id))
    return run_id


def end_run(run_id: int, verdict: str, counts: dict[str, Any], now: datetime) -> None:
    """Record how the crawl ended."""
    in_transaction(lambda session: runs.finish_run(session, run_id, verdict, counts, now))


def due_posts(run_id: int | None, limit: int, now: datetime) -> list[frontier.DueAddress]:
    """Return the addresses to fetch now: those sighted in the run, or all that are due."""
    return in_transaction(lambda session: list(frontier.due_addresses(session, now, limit, run_id)))


def may_ask_bare(now: datetime) -> bool:
    """Tell whether an address without chksm may be asked now. Raises ArchiveError for a wrong setting."""
    bare_a_day = RequestSettings.read().bare_a_day
    return in_transaction(lambda session: bare_addresses.may_ask_bare(session, bare_a_day, now))


def sight(run_id: int, urls: Sequence[str], now: datetime) -> list[frontier.DueAddress]:
    """Record addresses from the command line; each is to be fetched, due or not, at the best URL known."""
    sightings = [captures_module.SightingData(parse_address(url), "command line", now) for url in urls]

    def record(session: Session) -> list[frontier.DueAddress]:
        given = {seen.address_id for seen in frontier.record_sightings(session, run_id, sightings, now)}
        known = [row for row in frontier.addresses_of_run(session, run_id) if row.id in given]
        return [frontier.due_address(row.id, row.key, row.url) for row in known]

    return in_transaction(record)


def store_pages(run_id: int, fetched: Sequence[FetchedPage], now: datetime) -> list[PageResult]:
    """Store the captures of a batch, then parse them and store the posts; returns a result for each page."""
    captures = [_capture(page) for page in fetched]
    complete = [
        (p.address_id, c) for p, c in zip(fetched, captures, strict=True) if isinstance(c, CaptureData)
    ]
    ids = iter(_store_captures(run_id, complete))
    stored = [next(ids) if isinstance(capture, CaptureData) else capture for capture in captures]
    parsed = [
        (capture_id, parse_within_bounds(capture))
        for capture_id, capture in zip(stored, captures, strict=True)
        if isinstance(capture_id, int) and isinstance(capture, CaptureData)
    ]
    results = iter([_result(page, what) for page, what in _store(run_id, parsed, now)])
    return [next(results) if isinstance(one, int) else PageResult(damage=one) for one in stored]


def _capture(page: FetchedPage) -> CaptureData | Message:
    try:
        return unpack(page)
    except DamagedResponse as damage:
        return damage.message


def _store_captures(run_id: int, captures: Sequence[tuple[int | None, CaptureData]]) -> list[int | Message]:
    """Store captures and return their ids; for one that cannot be stored, why."""
    try:
        return [
            *in_transaction(lambda session: captures_repository.store_captures(session, run_id, captures))
        ]
    except Exception as error:
        if not is_of_content(error):
            raise
        if len(captures) == 1:
            return [Message("crawler.response.unstorable", {"reason": error_message(error)})]
    return [one for capture in captures for one in _store_captures(run_id, [capture])]


def _store(
    run_id: int, parsed: Sequence[tuple[int, ParsedPage]], now: datetime
) -> list[tuple[ParsedPage, update_decisions.StoreResult]]:
    return pages.store_each(in_transaction, run_id, parsed, now, PARSER_VERSION)


def _result(page: ParsedPage, stored: update_decisions.StoreResult) -> PageResult:
    return PageResult(
        outcome=page.outcome,
        stored=str(stored),
        reason=page.reason,
        kind=page.kind or "",
        aid=page.record.aid if page.record else "",
        title=page.record.title if page.record else "",
        key=next(iter(keys_of_posts([page])), ""),
        needs_browser=page.needs_browser,
        agreement=page.page.get(AGREES),
    )


def record_unreached(run_id: int, failures: Sequence[Failure], now: datetime) -> None:
    """Record that addresses gave no response, so that they are fetched again later."""
    pairs = [(failure.address_id, failure.reason.dump()) for failure in failures]
    in_transaction(lambda session: address_outcomes.record_failures(session, run_id, pairs, now))


def unparsed() -> list[int]:
    """Return the ids of captures that an earlier worker stored but did not parse."""
    return in_transaction(lambda session: list(captures_repository.unparsed_captures(session)))


def parse_stored(run_id: int, capture_id: int, now: datetime) -> None:
    """Parse one capture that an earlier worker stored; a damaged one is recorded as unreadable."""
    try:
        capture = in_transaction(lambda session: captures_repository.load_capture(session, capture_id))
        page = parse_within_bounds(capture)
    except Exception as error:
        if not (isinstance(error, IntegrityError) or is_of_content(error)):
            raise
        page = unreadable(error_message(error))
    _store(run_id, [(capture_id, page)], now)


def reparse_captures(capture_ids: Sequence[int]) -> list[ParsedPage | Message]:
    """Return what the parser makes of captures, in order; for a damaged one, what is wrong with it."""
    return in_transaction(lambda session: [_reparse_one(session, capture_id) for capture_id in capture_ids])


def _reparse_one(session: Session, capture_id: int) -> ParsedPage | Message:
    try:
        return parse_within_bounds(captures_repository.load_capture(session, capture_id))
    except IntegrityError as damage:
        return damage.message
    except Exception as error:
        if not is_of_content(error):
            raise
        return unreadable(error_message(error))


def record_unreadable(run_id: int, capture_id: int, reason: Message, now: datetime) -> None:
    """Record a capture that kills the worker as unreadable, so that it is not parsed again."""
    _store(run_id, [(capture_id, unreadable(reason))], now)
