"""The worker process of a crawl: unpacks, keeps, parses and stores, away from the reactor.

Its functions are called by name through a process pool; between calls it keeps only its database connection.
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
from archive.db.settings import ArchiveSettings
from archive.domain import captures as captures_module
from archive.domain import update_decisions
from archive.domain.addresses import parse_address
from archive.domain.captures import Capture
from archive.domain.errors import ArchiveError, IntegrityError, in_words
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage, unreadable
from archive.ingest import pages
from archive.ingest.faults import is_of_content
from archive.repository import address_outcomes, frontier, runs
from archive.repository import captures as captures_repository
from archive.repository.address_outcomes import keys_of_posts
from archive.storage.media_files import MediaFolder
from archive.system.parent_watch import end_with_parent
from crawler.parse import PARSER_VERSION
from crawler.parse.rendered import AGREES
from crawler.parse.response import DamagedAnswer, FetchedPage, unpack
from crawler.worker.page_reader import read_within_bounds

DATABASE_ATTEMPTS = 4  # a server that restarts is back within the 7 s these last

FIRST_WAIT = 1.0  # seconds, doubling

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one answer. `damage` is set instead of everything else when it was no whole page."""

    outcome: Outcome = Outcome.UNKNOWN
    stored: str = ""
    reason: str = ""
    kind: str = ""
    aid: str = ""
    key: str = ""  # of the post's long address
    needs_browser: bool = False
    agrees: float | None = None  # of a drawn page: which share of the text the browser showed
    damage: str = ""
    interrupted: bool = False  # the worker died, which is no fault of the address


@dataclass(frozen=True, slots=True)
class Failure:
    """An address that gave no answer at all, and why; `reason` holds no secrets."""

    address_id: int
    reason: str


class _Archive:
    """The worker's one open archive."""

    engine: Engine
    settings: ArchiveSettings
    closing = ExitStack()
    failure: ArchiveError | None = None  # why there is no engine; raised by every call


def start(settings: ArchiveSettings) -> None:
    """Open the archive once, at the start of the worker process.

    A failure is kept for the calls: an initializer that raises only breaks the pool, without a word.
    """
    _Archive.settings = settings
    end_with_parent()
    try:
        _Archive.engine = _Archive.closing.enter_context(open_archive(settings))
    except ArchiveError as error:
        _Archive.failure = error
    util.Finalize(None, _Archive.closing.close, exitpriority=10)


def ready() -> None:
    """Nothing: whoever gets an answer knows that a worker has started."""


def in_transaction(work: Callable[[Session], T]) -> T:
    """Run `work` in one transaction, again while the database is away; the last error is raised."""
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
    """The folder the archive's files lie in; raises MediaFolderError when it cannot be one."""
    return MediaFolder(_Archive.settings)


def open_run(command: str, arguments: dict[str, Any], now: datetime) -> int:
    """Note that a crawl begins that nobody has opened a run for; it goes on as long as this worker."""
    run_id = in_transaction(lambda session: runs.start_run(session, command, arguments, now))
    _Archive.closing.enter_context(run_lock(_Archive.engine, run_id))
    return run_id


def close_run(run_id: int, verdict: str, counts: dict[str, Any], now: datetime) -> None:
    """Note how the crawl ended."""
    in_transaction(lambda session: runs.finish_run(session, run_id, verdict, counts, now))


def due(run_id: int | None, limit: int, now: datetime) -> list[frontier.DueAddress]:
    """Addresses to fetch now: those sighted in the run, or all that are due."""
    return in_transaction(lambda session: list(frontier.due_addresses(session, now, limit, run_id)))


def sight(run_id: int, urls: Sequence[str], now: datetime) -> list[frontier.DueAddress]:
    """Note addresses given on the command line; each is to be fetched, due or not, at the best URL known."""
    sightings = [captures_module.Sighting(parse_address(url), "command", now) for url in urls]

    def note(session: Session) -> list[frontier.DueAddress]:
        given = {seen.address_id for seen in frontier.record_sightings(session, run_id, sightings, now)}
        known = [row for row in frontier.addresses_of_run(session, run_id) if row.id in given]
        return [frontier.DueAddress(row.id, row.key, parse_address(row.url).fetch_url) for row in known]

    return in_transaction(note)


def work(run_id: int, answers: Sequence[FetchedPage], now: datetime) -> list[Result]:
    """Keep, then parse, then store a batch; the results in the order of the answers."""
    captures = [_unpacked(answer) for answer in answers]
    whole = [(a.address_id, c) for a, c in zip(answers, captures, strict=True) if isinstance(c, Capture)]
    kept = iter(_keep(run_id, whole))
    told = [next(kept) if isinstance(capture, Capture) else capture for capture in captures]
    pairs = [
        (number, read_within_bounds(capture))
        for number, capture in zip(told, captures, strict=True)
        if isinstance(number, int) and isinstance(capture, Capture)
    ]
    results = iter([_result(reading, what) for reading, what in _store(run_id, pairs, now)])
    return [next(results) if isinstance(number, int) else Result(damage=number) for number in told]


def _keep(run_id: int, captures: Sequence[tuple[int | None, Capture]]) -> list[int | str]:
    """The ids of captures once they are kept; of one that cannot be kept, why."""
    try:
        return [
            *in_transaction(lambda session: captures_repository.store_captures(session, run_id, captures))
        ]
    except Exception as error:
        if not is_of_content(error):
            raise
        if len(captures) == 1:
            return [f"the answer could not be stored: {in_words(error)}"]
    return [one for capture in captures for one in _keep(run_id, [capture])]


def _store(
    run_id: int, readings: Sequence[tuple[int, ParsedPage]], now: datetime
) -> list[tuple[ParsedPage, update_decisions.StoreResult]]:
    return pages.store_each(in_transaction, run_id, readings, now, PARSER_VERSION)


def _unpacked(answer: FetchedPage) -> Capture | str:
    try:
        return unpack(answer)
    except DamagedAnswer as damage:
        return str(damage)


def _result(reading: ParsedPage, stored: update_decisions.StoreResult) -> Result:
    return Result(
        outcome=reading.outcome,
        stored=str(stored),
        reason=reading.reason,
        kind=reading.kind or "",
        aid=reading.record.aid if reading.record else "",
        key=next(iter(keys_of_posts([reading])), ""),
        needs_browser=reading.needs_browser,
        agrees=reading.page.get(AGREES),
    )


def note_failures(run_id: int, failures: Sequence[Failure], now: datetime) -> None:
    """Note that addresses gave no answer, so that they are asked again later."""
    pairs = [(failure.address_id, failure.reason) for failure in failures]
    in_transaction(lambda session: address_outcomes.record_failures(session, run_id, pairs, now))


def unread() -> list[int]:
    """Captures an earlier worker kept but did not live to read."""
    return in_transaction(lambda session: list(captures_repository.unparsed_captures(session)))


def read_kept(run_id: int, capture_id: int, now: datetime) -> None:
    """Read one capture that was kept by an earlier worker."""
    try:
        reading = read_within_bounds(
            in_transaction(lambda session: captures_repository.load_capture(session, capture_id))
        )
    except Exception as error:
        if not (isinstance(error, IntegrityError) or is_of_content(error)):
            raise
        reading = unreadable(str(error) if isinstance(error, IntegrityError) else in_words(error))
    _store(run_id, [(capture_id, reading)], now)


def read_again(capture_ids: Sequence[int]) -> list[ParsedPage | str]:
    """What today's parser reads in captures, in order; of one that is damaged, how."""
    return in_transaction(lambda session: [_read_again(session, number) for number in capture_ids])


def _read_again(session: Session, capture_id: int) -> ParsedPage | str:
    try:
        return read_within_bounds(captures_repository.load_capture(session, capture_id))
    except IntegrityError as damage:
        return str(damage)
    except Exception as error:
        if not is_of_content(error):
            raise
        return unreadable(in_words(error))


def give_up(run_id: int, capture_id: int, reason: str, now: datetime) -> None:
    """Note a capture whose reading kills the worker, so that the next start does not try it again."""
    _store(run_id, [(capture_id, unreadable(reason))], now)
