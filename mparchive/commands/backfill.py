"""`mparchive backfill`: import posts from files and addresses, and fetch their pages."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import JsonValue
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from archive.db.advisory_locks import run_lock
from archive.db.engine import open_archive, transaction
from archive.domain.address_list import ListedAddress
from archive.domain.addresses import parse_address, without_session
from archive.domain.captures import CaptureData, SightingData
from archive.domain.errors import AddressError, error_message
from archive.domain.messages import Message
from archive.domain.outcomes import MediumType, Outcome
from archive.domain.parsed_page import ParsedPage
from archive.domain.update_decisions import StoreResult
from archive.ingest import pages
from archive.ingest.pages import is_of_content
from archive.repository import captures, claims, frontier, runs
from archive.system import clock
from archive.system.child_processes import ParentWatch
from crawler.parse import PARSER_VERSION
from crawler.parse.response import saved_from
from crawler.redaction import scrub_log
from crawler.worker.page_parser import PageParser
from mparchive.console import out, print_json, say
from mparchive.crawl import (
    RunSummary,
    cassette_settings,
    count_bare,
    exit_by_state,
    fetch_due,
    fetch_missing_media,
    open_egress,
)
from mparchive.errors import Exit
from mparchive.importers.accounts import NamedAccount
from mparchive.importers.dump import DumpEntry
from mparchive.importers.items import Flaw, SavedMedium, SavedPage, Skipped
from mparchive.importers.read import Item, check_not_empty, day_of, read_inputs
from scheduler.egress_session import EgressSession

if TYPE_CHECKING:
    from mparchive.importers.media import MediaImporter
    from mparchive.importers.records import RecordStore, StoredRecords

T = TypeVar("T")

BATCH = 500  # items in one transaction

BATCH_CHARACTERS = 8_000_000  # of the texts in one: up to five are in memory, and usual ones have 2 million

CHALLENGE = "mparchive.backfill.page_is_challenge"

# Parts of an input that are passed over although it holds what can be imported.
_BESIDE_OTHERS = ("mparchive.warc.already_stored", "mparchive.input.other_files")

MAX_CLOCK_SKEW = timedelta(hours=1)  # by which the clock of another machine may be ahead of ours


@dataclass(frozen=True)
class BackfillOptions:
    """The options of the command. Dates are in Asia/Shanghai, both included."""

    inputs: tuple[str, ...]
    url: str | None = None
    since: date | None = None
    until: date | None = None
    limit: int | None = None
    dry_run: bool = False
    fetch: bool = True
    media: bool = True
    again: bool = False
    replay: Path | None = None
    record: Path | None = None
    json: bool = False


@dataclass
class _Imported:
    """What was imported. `addresses` and `listed` hold ids of addresses."""

    summary: RunSummary = field(default_factory=RunSummary)
    addresses: set[int] = field(default_factory=set)
    listed: set[int] = field(default_factory=set)  # those of lists, without a record
    good: int = 0
    held_nothing: bool = False  # an input in which nothing was found that could be imported


def backfill(options: BackfillOptions) -> Exit:
    """Import the inputs, fetch what is not archived yet, and print the summary.

    Raises CommandError, InputError, SettingError, DatabaseUnavailable.
    """
    check_not_empty(options.inputs)
    # A kill at any moment loses nothing.
    ParentWatch.from_environment(partial(os.kill, os.getpid(), signal.SIGKILL))
    settings = cassette_settings(options.replay, options.record)
    if options.dry_run:
        return _dry_run(_selected(read_inputs(options.inputs, options.url), options), options)
    with open_archive() as engine:
        with transaction(engine) as session:
            run_id = runs.start_run(session, "backfill", _arguments(options), clock.now())
        with run_lock(engine, run_id):
            imported = _import_inputs(engine, run_id, options)
            code = _fetch(open_egress(engine, settings), run_id, imported, options)
    _report(imported.summary, options)
    return _exit_code(code, imported)


def _import_inputs(engine: Engine, run_id: int, options: BackfillOptions) -> _Imported:
    with PageParser() as parser:
        if not options.media:
            items = read_inputs(options.inputs, options.url)
            return _import_all(engine, run_id, _selected(items, options), None, parser)
        from mparchive.importers.media import MediaImporter  # noqa: PLC0415 - half a second, for media alone

        with MediaImporter.opened(engine) as media:
            items = read_inputs(options.inputs, options.url, media.find)
            return _import_all(engine, run_id, _selected(items, options), media, parser)


def _arguments(options: BackfillOptions) -> dict[str, JsonValue]:
    return runs.option_values(vars(options), scrub_log)


def _selected(items: Iterable[Item], options: BackfillOptions) -> Iterator[Item]:
    """Yield the items within the dates (where a date is known), at most `limit`, and all that is no post.

    After the last page that counts, its media may follow.
    """
    taken = 0
    for item in map(_checked_date, items):
        if isinstance(item, Flaw | Skipped | SavedMedium):
            yield item
        elif _is_within(item, options):
            if options.limit is not None and taken >= options.limit:
                if isinstance(item, SavedPage):
                    continue
                return
            taken += 1
            yield item


def _checked_date(item: Item) -> Item:
    """Return the item, or a flaw for a page dated in the future: no fetched page would be newer."""
    if not isinstance(item, SavedPage) or item.saved_at <= clock.now() + MAX_CLOCK_SKEW:
        return item
    date_ = f"{item.saved_at:%Y-%m-%d %H:%M} UTC"
    return Flaw(item.name, None, Message("mparchive.backfill.in_future", {"name": item.name, "date": date_}))


def _is_within(item: Item, options: BackfillOptions) -> bool:
    day = day_of(item)
    if day is None:
        return True
    return (options.since is None or day >= options.since) and (options.until is None or day <= options.until)


def _dry_run(items: Iterable[Item], options: BackfillOptions) -> Exit:
    imported = _Imported()
    for item in items:
        if _is_rejected(item, imported):
            continue
        imported.good += 1
        if not options.json:
            say(Message("mparchive.backfill.would_import", {"item": _name(item)}))
    if options.json:
        print_json({"would_take": imported.good, **imported.summary.as_dict()})
    else:
        say(Message("mparchive.backfill.dry_run", {"n": imported.good}))
    return _exit_code(Exit.DONE, imported)


def _name(item: Item) -> str | Message:
    match item:
        case DumpEntry(record=record):
            return f"{record.date} {record.aid} {record.title}"
        case ListedAddress(address=address):
            return address.url
        case SavedPage(name=name):
            return name
        case NamedAccount(biz=biz, name=name):
            return Message("mparchive.backfill.account", {"name": name, "biz": biz})
    return ""


def _is_rejected(item: Item, imported: _Imported) -> bool:
    """Report and count an item that cannot be imported; return whether it is one."""
    match item:
        case Flaw(number=number):
            say(item.message)
            imported.summary.add("bad_input", number, item.message)
        case Skipped(number=number, code=code):
            imported.held_nothing |= code not in _BESIDE_OTHERS
            imported.summary.add("passed_over", number, item.message)
    return isinstance(item, Flaw | Skipped)


def _import_all(
    engine: Engine, run_id: int, items: Iterable[Item], media: "MediaImporter | None", parser: PageParser
) -> _Imported:
    imported = _Imported()
    with ExitStack() as stack:
        store: RecordStore | None = None
        for batch in _batches(item for item in items if not _is_rejected(item, imported)):
            imported.good += len(batch)
            if records := [item for item in batch if isinstance(item, DumpEntry)]:
                store = store or stack.enter_context(_record_store(engine, run_id, imported))
                store.store(records)
            if store and len(records) < len(batch):
                store.finish()  # the others may be about the same posts
            if addresses := [item for item in batch if isinstance(item, ListedAddress)]:
                _import_addresses(engine, run_id, addresses, imported)
            for page in (item for item in batch if isinstance(item, SavedPage)):
                _import_page(engine, run_id, page, parser, imported)
            for medium in (item for item in batch if isinstance(item, SavedMedium)):
                _import_medium(medium, media, imported)
            for account in (item for item in batch if isinstance(item, NamedAccount)):
                reason = Message("mparchive.backfill.account_found", {"account": _name(account)})
                imported.summary.add("accounts", reason=reason)
    return imported


def _record_store(engine: Engine, run_id: int, imported: _Imported) -> "RecordStore":
    from mparchive.importers.records import RecordStore  # noqa: PLC0415 - for dumps alone

    return RecordStore(engine, run_id, partial(_count_records, imported))


def _count_records(imported: _Imported, stored: "StoredRecords") -> None:
    imported.addresses |= stored.addresses
    for flaw in stored.flaws:
        _is_rejected(flaw, imported)
    for result in stored.results:
        imported.summary.add("known" if result is StoreResult.UNCHANGED else str(result))


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield the items of each transaction; a page or a medium, of up to 16 MB and more, ends its batch."""
    batch: list[Item] = []
    characters = 0
    for item in items:
        batch.append(item)
        characters += len(item.record.text) if isinstance(item, DumpEntry) else 0
        is_full = len(batch) == BATCH or characters >= BATCH_CHARACTERS
        if is_full or isinstance(item, SavedPage | SavedMedium):
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _import_addresses(engine: Engine, run_id: int, items: list[ListedAddress], imported: _Imported) -> None:
    now = clock.now()
    with transaction(engine) as session:
        sightings = [SightingData(item.address, "list", now, item.title) for item in items]
        sighted = frontier.record_sightings(session, run_id, sightings, now)
    imported.listed |= {known.address_id for known in sighted}
    imported.addresses |= imported.listed


def _import_page(
    engine: Engine, run_id: int, page: SavedPage, parser: PageParser, imported: _Imported
) -> None:
    """Store a saved page as a capture, once, and parse it as if it had just been fetched."""
    try:
        reading = _stored_page(engine, run_id, page, parser, imported)
    except Exception as error:
        if not is_of_content(error):
            raise
        params = {"name": page.name, "reason": error_message(error)}
        _is_rejected(Flaw(page.name, None, Message("mparchive.backfill.page_not_stored", params)), imported)
        return
    is_useless = _is_no_answer(reading.outcome) and page.answer is None  # in a WARC it is part of a crawl
    if reading.is_unreadable or is_useless:
        reason = Message.load(reading.reason) if reading.reason else Message(CHALLENGE)
        message = Message("mparchive.backfill.page_unreadable", {"name": page.name, "reason": reason})
        _is_rejected(Flaw(page.name, None, message), imported)


def _stored_page(
    engine: Engine, run_id: int, page: SavedPage, parser: PageParser, imported: _Imported
) -> ParsedPage:
    address = without_session(page.url or "")
    saved = CaptureData(address, address, 200, (), page.body, page.saved_at)
    reading = parser.parse(page.answer if page.answer and page.url else saved)
    named = address or (
        reading.record.url if reading.record else without_session(_own_address(page, reading))
    )
    capture = page.answer or CaptureData(named, named, 200, page.headers, page.body, page.saved_at)
    now = clock.now()
    with transaction(engine) as session:
        address_id = _page_address(session, run_id, named, page, now)
        fetched_at = page.saved_at if page.answer else None  # a copied file may have another time
        capture_id = captures.find_capture(session, capture.requested_url, capture.sha256, fetched_at)
        if capture_id is None:
            (capture_id,) = captures.store_captures(session, run_id, [(address_id, capture)])
        else:
            captures.note_repeated(session, capture_id, run_id)
    ((reading, result),) = pages.store_each(
        partial(_in_transaction, engine), run_id, [(capture_id, reading)], now, PARSER_VERSION
    )
    stored = reading.outcome is Outcome.ARTICLE and reading.record
    what = "known" if result is StoreResult.UNCHANGED else str(result)
    outcome = "saved_unread" if _is_no_answer(reading.outcome) else str(reading.outcome)
    outcome = "other_post" if result is StoreResult.OTHER_POST else outcome
    imported.summary.add(what if stored else outcome, reason="" if stored else reading.reason)
    return reading


def _is_no_answer(outcome: Outcome) -> bool:
    """Tell whether a fetched page would be fetched again; a file is not."""
    return outcome is Outcome.UNKNOWN or outcome.blocks


def _own_address(page: SavedPage, reading: ParsedPage) -> str:
    """Return where a page that is not understood says it is from, so that its address is known as missing."""
    if reading.outcome is not Outcome.UNKNOWN:
        return page.name
    return saved_from(page.body) or str(reading.page.get("link", "")) or page.name


def _in_transaction(engine: Engine, work: Callable[[Session], T]) -> T:
    with transaction(engine) as session:
        return work(session)


def _import_medium(saved: SavedMedium, media: "MediaImporter | None", imported: _Imported) -> None:
    if media is None:
        return
    if bad := media.store(saved):
        _is_rejected(bad, imported)
    else:
        is_style = saved.awaited[0].medium.type == MediumType.STYLE
        imported.summary.add("style_sheets_kept" if is_style else "images_kept")


def _page_address(session: Session, run_id: int, url: str, page: SavedPage, now: datetime) -> int | None:
    with suppress(AddressError):
        sighting = SightingData(
            parse_address(url), frontier.SAVED_PAGE, page.saved_at, expected_biz=page.expected_biz
        )
        return frontier.record_sightings(session, run_id, [sighting], now)[0].address_id
    return None


def _fetch(egress: EgressSession, run_id: int, imported: _Imported, options: BackfillOptions) -> Exit:
    """Fetch pages, then their media; return the worse exit code."""
    code = _fetch_pages(egress, run_id, imported, options)
    if options.fetch and options.media and code not in (Exit.DATABASE, Exit.USAGE):
        code = max(code, fetch_missing_media(egress, run_id, imported.summary))
    return code


def _fetch_pages(egress: EgressSession, run_id: int, imported: _Imported, options: BackfillOptions) -> Exit:
    """Fetch the addresses without a final answer; the others are counted as known."""
    now, addresses, summary = clock.now(), sorted(imported.addresses), imported.summary
    with transaction(egress.engine) as session:
        due = frontier.make_due(session, addresses, now, options.again) if options.fetch else []
        found = claims.fetch_progress(session, run_id, sorted(imported.listed.difference(due)), now)
    known, bare = (found.answered, found.bare) if options.fetch else (frozenset(), frozenset())
    count_bare(egress.engine, len(bare), summary)
    summary.add_some(known=len(known), not_asked=len(imported.listed.difference(due, known, bare)))
    if not due:
        with transaction(egress.engine) as session:
            done = summary.as_dict()
            runs.finish_run(session, run_id, "done", done["counts"], now, reasons=done["reasons"])
    code = fetch_due(egress, run_id, due, summary) if due else Exit.DONE
    return code or (exit_by_state(egress.engine, run_id, addresses) if options.fetch else Exit.DONE)


def _report(summary: RunSummary, options: BackfillOptions) -> None:
    if options.json:
        print_json(summary.as_dict())
    else:
        out.print(summary.table())


def _exit_code(code: Exit, imported: _Imported) -> Exit:
    """Return USAGE where nothing was imported, PARTLY_FAILED where some was, else the code of the crawl."""
    if imported.summary.counts["other_post"] and code is Exit.DONE:
        code = Exit.PARTLY_FAILED
    if not imported.summary.counts["bad_input"]:
        return Exit.USAGE if imported.held_nothing and not imported.good else code
    if not imported.good:
        return Exit.USAGE
    return code if code is not Exit.DONE else Exit.PARTLY_FAILED
