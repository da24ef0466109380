"""`mparchive backfill`: take posts over from files and addresses, and fetch their pages."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from archive.db.advisory_locks import run_lock
from archive.db.engine import open_archive, transaction
from archive.domain.addresses import parse_address
from archive.domain.captures import Capture, Sighting
from archive.domain.errors import AddressError, in_words
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.domain.update_decisions import StoreResult
from archive.ingest import pages
from archive.ingest.faults import is_of_content
from archive.repository import captures, frontier, runs
from archive.system import parent_watch
from crawler.parse import PARSER_VERSION
from crawler.worker.page_reader import PageReader
from mparchive.console import out, print_json, say
from mparchive.crawl import Line, cassette_settings, fetch_due, fetch_missing_media
from mparchive.errors import Exit
from mparchive.importers.accounts import NamedAccount
from mparchive.importers.address_list import Listed
from mparchive.importers.dump import Entry
from mparchive.importers.items import Flaw, Passed, SavedMedium, SavedPage, seek_none
from mparchive.importers.media import MediaTaker
from mparchive.importers.read import Item, read_given
from mparchive.run_summary import Tally

T = TypeVar("T")

BATCH = 500  # items a transaction

AHEAD = timedelta(hours=1)  # by which another machine's clock may be ahead of ours


@dataclass(frozen=True)
class BackfillOptions:
    """What the command line asked for. Dates are in Asia/Shanghai, both included."""

    what: tuple[str, ...]
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
class _Taken:
    """What the inputs came to. `due` and `listed` hold ids of addresses."""

    tally: Tally = field(default_factory=Tally)
    addresses: set[int] = field(default_factory=set)
    listed: set[int] = field(default_factory=set)  # those that came without a record
    good: int = 0


def backfill(wanted: BackfillOptions) -> Exit:
    """Take in the inputs, fetch what is not archived yet, say what came of it."""
    parent_watch.watch_parent(partial(os.kill, os.getpid(), signal.SIGKILL))  # loses nothing, at any moment
    settings = cassette_settings(wanted.replay, wanted.record)
    if wanted.dry_run:
        return _dry_run(_selected(read_given(wanted.what, wanted.url), wanted), wanted)
    with open_archive() as engine:
        with transaction(engine) as session:
            run_id = runs.start_run(session, "backfill", _arguments(wanted), datetime.now(UTC))
        with run_lock(engine, run_id):
            taken = _take_given(engine, run_id, wanted)
            code = _fetch(Line(engine, settings), run_id, taken, wanted)
    _report(taken.tally, wanted)
    return _worst(code, taken)


def _take_given(engine: Engine, run_id: int, wanted: BackfillOptions) -> _Taken:
    with MediaTaker.opened(engine) as media, PageReader() as reader:
        given = read_given(wanted.what, wanted.url, media.seek if wanted.media else seek_none)
        return _take_all(engine, run_id, _selected(given, wanted), media, reader)


def _arguments(wanted: BackfillOptions) -> dict[str, Any]:
    return {name: str(value) for name, value in vars(wanted).items() if value not in (None, False, ())}


def _selected(items: Iterable[Item], wanted: BackfillOptions) -> Iterator[Item]:
    """Items within the dates (where a date is known), at most `limit`; what is not taken always.

    Behind the last page that is taken its media may come.
    """
    taken = 0
    for item in map(_dated, items):
        if isinstance(item, Flaw | Passed | SavedMedium):
            yield item
        elif _is_within(item, wanted):
            if wanted.limit is not None and taken >= wanted.limit:
                if isinstance(item, SavedPage):
                    continue
                return
            taken += 1
            yield item


def _dated(item: Item) -> Item:
    """The item, unless it is a page that is yet to come: none that is fetched before then would be newer."""
    if not isinstance(item, SavedPage) or item.saved_at <= datetime.now(UTC) + AHEAD:
        return item
    when = f"{item.saved_at:%Y-%m-%d %H:%M} UTC"
    words = f"{item.name} is dated {when}, which is yet to come; correct its date or this machine's clock"
    return Flaw(item.name, "", words)


def _is_within(item: Item, wanted: BackfillOptions) -> bool:
    day = _day(item)
    if day is None:
        return True
    return (wanted.since is None or day >= wanted.since) and (wanted.until is None or day <= wanted.until)


def _day(item: Item) -> date | None:
    """When a post was published, where that is known before it is read."""
    match item:
        case Entry(record=record):
            return date.fromisoformat(record.date)
        case Listed(day=day):
            return day
    return None


def _dry_run(items: Iterable[Item], wanted: BackfillOptions) -> Exit:
    taken = _Taken()
    for item in items:
        if _noted(item, taken):
            continue
        taken.good += 1
        if not wanted.json:
            say(f"would take {_named(item)}")
    if wanted.json:
        print_json({"would_take": taken.good, **taken.tally.as_dict()})
    else:
        say(f"{taken.good} would be taken; nothing was written or fetched")
    return _worst(Exit.DONE, taken)


def _named(item: Item) -> str:
    match item:
        case Entry(record=record):
            return f"{record.date} {record.aid} {record.title}"
        case Listed(address=address):
            return address.url
        case SavedPage(name=name):
            return name
        case NamedAccount(biz=biz, name=name):
            return f"the account {name} {biz}"
    return ""


def _noted(item: Item, taken: _Taken) -> bool:
    """Whether it is nothing to take, and was noted as such."""
    match item:
        case Flaw():
            say(str(item))
            taken.tally.add("bad_input", reason=str(item))
        case Passed(number=number):
            taken.tally.add("passed_over", number, str(item))
    return isinstance(item, Flaw | Passed)


def _take_all(
    engine: Engine, run_id: int, items: Iterable[Item], media: MediaTaker, reader: PageReader
) -> _Taken:
    taken = _Taken()
    for batch in _batches(item for item in items if not _noted(item, taken)):
        taken.good += len(batch)
        if records := [item for item in batch if isinstance(item, Entry)]:
            _take_records(engine, run_id, records, taken)
        if addresses := [item for item in batch if isinstance(item, Listed)]:
            _take_addresses(engine, run_id, addresses, taken)
        for page in (item for item in batch if isinstance(item, SavedPage)):
            _take_page(engine, run_id, page, reader, taken)
        for medium in (item for item in batch if isinstance(item, SavedMedium)):
            _take_medium(medium, media, taken)
        for account in (item for item in batch if isinstance(item, NamedAccount)):
            taken.tally.add("accounts", reason=f"{_named(account)}; `mparchive init` with the same file")
    return taken


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Items by the transaction; a page or a medium ends its batch, for it may have 16 MB and more."""
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH or isinstance(item, SavedPage | SavedMedium):
            yield batch
            batch = []
    if batch:
        yield batch


def _take_records(engine: Engine, run_id: int, items: list[Entry], taken: _Taken) -> None:
    now = datetime.now(UTC)
    try:
        with transaction(engine) as session:
            results = pages.import_records(session, run_id, [item.record for item in items], "dump", now)
            addresses = frontier.address_ids(session, [item.address.key for item in items])
    except Exception as error:
        if not is_of_content(error):
            raise
        if len(items) > 1:  # each in a transaction of its own: the others are taken
            for item in items:
                _take_records(engine, run_id, [item], taken)
            return
        _noted(_unstorable(items[0], error), taken)
        return
    taken.addresses |= addresses
    for result in results:
        taken.tally.add("known" if result is StoreResult.UNCHANGED else str(result))


def _unstorable(entry: Entry, error: Exception) -> Flaw:
    where = f"record {entry.number} ({entry.record.aid})"
    return Flaw(entry.source, where, f"it could not be stored: {in_words(error)}")


def _take_addresses(engine: Engine, run_id: int, items: list[Listed], taken: _Taken) -> None:
    now = datetime.now(UTC)
    with transaction(engine) as session:
        sightings = [Sighting(item.address, "list", now, item.title) for item in items]
        sighted = frontier.record_sightings(session, run_id, sightings, now)
    taken.listed |= {known.address_id for known in sighted}
    taken.addresses |= taken.listed


def _take_page(engine: Engine, run_id: int, page: SavedPage, reader: PageReader, taken: _Taken) -> None:
    """Keep a saved page as a capture, once, then read it, as if it had just been fetched."""
    try:
        reading = _stored_page(engine, run_id, page, reader, taken)
    except Exception as error:
        if not is_of_content(error):
            raise
        _noted(Flaw(page.name, "", f"{page.name} could not be stored: {in_words(error)}"), taken)
        return
    if reading.is_unreadable:
        _noted(Flaw(page.name, "", f"{page.name}: {reading.reason}"), taken)


def _stored_page(
    engine: Engine, run_id: int, page: SavedPage, reader: PageReader, taken: _Taken
) -> ParsedPage:
    address = page.url or ""
    saved = Capture(address, address, 200, (), page.body, page.saved_at)
    reading = reader.read(page.answer if page.answer and page.url else saved)
    named = page.url or (reading.record.url if reading.record else page.name)
    capture = page.answer or Capture(named, named, 200, page.headers, page.body, page.saved_at)
    now = datetime.now(UTC)
    with transaction(engine) as session:
        address_id = _page_address(session, run_id, named, page, now)
        fetched_at = page.saved_at if page.answer else None  # a copied file may have another time
        capture_id = captures.find_capture(session, capture.requested_url, capture.sha256, fetched_at)
        if capture_id is None:
            (capture_id,) = captures.store_captures(session, run_id, [(address_id, capture)])
    ((reading, result),) = pages.store_each(
        partial(_in_transaction, engine), run_id, [(capture_id, reading)], now, PARSER_VERSION
    )
    stored = reading.outcome is Outcome.ARTICLE and reading.record
    what = "known" if result is StoreResult.UNCHANGED else str(result)
    taken.tally.add(what if stored else str(reading.outcome), reason="" if stored else reading.reason)
    return reading


def _in_transaction(engine: Engine, work: Callable[[Session], T]) -> T:
    with transaction(engine) as session:
        return work(session)


def _take_medium(saved: SavedMedium, media: MediaTaker, taken: _Taken) -> None:
    if bad := media.take(saved):
        _noted(bad, taken)
    else:
        taken.tally.add("images_kept")


def _page_address(session: Session, run_id: int, url: str, page: SavedPage, now: datetime) -> int | None:
    with suppress(AddressError):
        sighting = Sighting(parse_address(url), "saved page", page.saved_at, expected_biz=page.expected_biz)
        return frontier.record_sightings(session, run_id, [sighting], now)[0].address_id
    return None


def _fetch(line: Line, run_id: int, taken: _Taken, wanted: BackfillOptions) -> Exit:
    """Fetch pages, then what they show; the worst that came of it."""
    code = _fetch_pages(line, run_id, taken, wanted)
    if wanted.fetch and wanted.media and code not in (Exit.DATABASE, Exit.USAGE):
        code = fetch_missing_media(line, run_id, taken.tally) or code
    return code


def _fetch_pages(line: Line, run_id: int, taken: _Taken, wanted: BackfillOptions) -> Exit:
    """Fetch what has no final answer yet; addresses that have one are known."""
    now = datetime.now(UTC)
    with transaction(line.engine) as session:
        due = frontier.make_due(session, sorted(taken.addresses), now, wanted.again) if wanted.fetch else []
        taken.tally.add("known" if wanted.fetch else "not_asked", len(taken.listed.difference(due)))
        if not due:
            runs.finish_run(session, run_id, "done", taken.tally.as_dict(), now)
    if not due:
        return Exit.DONE
    return fetch_due(line, run_id, len(due), taken.tally)


def _report(tally: Tally, wanted: BackfillOptions) -> None:
    if wanted.json:
        print_json(tally.as_dict())
    else:
        out.print(tally.table())


def _worst(code: Exit, taken: _Taken) -> Exit:
    """Bad input weighs: nothing good at all is a wrong call, some of it a part that failed."""
    if not taken.tally.counts["bad_input"]:
        return code
    if not taken.good:
        return Exit.USAGE
    return code if code is not Exit.DONE else Exit.PARTLY_FAILED
