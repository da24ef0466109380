"""`mparchive init`: write the configuration that watches an account, asking nothing that can be found out."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Engine

from archive import queries, store
from archive.address import Address
from archive.database import open_archive, transaction
from archive.last_page import last_page
from archive.locks import going_on
from archive.reading import Reading
from archive.sighting import Sighting
from crawler.discovery.account import Biz
from crawler.parse import read_page
from mparchive.configuration import FoundAccount, written
from mparchive.console import say, steps
from mparchive.exits import CommandError, Exit
from mparchive.fetching import fetch
from mparchive.given import Item, read_given
from mparchive.inputs.accounts import NamedAccount
from mparchive.inputs.dump import Entry
from mparchive.inputs.flaw import Flaw
from mparchive.inputs.listing import Listed
from mparchive.inputs.page import SavedPage
from mparchive.line import Line
from mparchive.tally import Tally
from scheduler.config import FILE_NAME, VARIABLE

STDOUT = "-"
MOST_ASKED = 5  # pages fetched to learn names: half a minute; a list is mostly of one account
MOST_ACCOUNTS = 200  # of one configuration


@dataclass
class _Found:
    """Accounts by biz, and addresses whose page would tell more: by biz, else by the short link's token."""

    accounts: dict[str, FoundAccount] = field(default_factory=dict)
    addresses: dict[str, Address] = field(default_factory=dict)

    def account(self, biz: str) -> FoundAccount:
        return self.accounts.setdefault(biz, FoundAccount(biz))

    def name(self, biz: str, name: str) -> None:
        account = self.account(biz)
        account.name = account.name or name

    def see(self, address: Address) -> None:
        """Note an address; of one account one with chksm is enough."""
        place = address.biz or address.token
        before = self.addresses.get(place)
        if before is None or (address.chksm and not before.chksm):
            self.addresses[place] = address
        if address.biz:
            self.account(address.biz)

    def read(self, reading: Reading) -> None:
        """Note what a post's page tells of its account."""
        if not reading.record or not reading.biz:
            return
        self.name(reading.biz, reading.record.account)
        self.account(reading.biz).albums.update(_albums(reading.page))


def init(what: str, output: str | None, environment: Mapping[str, str] = os.environ) -> Exit:
    """Find out which accounts are meant, and write a configuration that watches them."""
    target = _target(output, environment)
    found = _Found()
    for item in read_given([what]):
        _take(item, found)
    _leave_out_strangers(found)
    code = _ask(found) if found.addresses else Exit.DONE
    _leave_out_strangers(found)
    if not found.accounts:
        raise CommandError(_nothing(what, found), code or Exit.USAGE)
    if len(found.accounts) > MOST_ACCOUNTS:
        raise CommandError(f"{what} names {len(found.accounts)} accounts; one file watches {MOST_ACCOUNTS}")
    _write(target, written(found.accounts.values()))
    _report(target, found)
    return code


def _target(output: str | None, environment: Mapping[str, str]) -> Path | None:
    """Where to write; None for standard output. Raises CommandError when there is something already."""
    if output == STDOUT:
        return None
    target = Path(output or environment.get(VARIABLE) or FILE_NAME).expanduser()
    if target.exists():
        raise CommandError(
            f"{target} is there already and is not overwritten; `--output -` prints what to add to it, "
            "`--output FILE` writes another"
        )
    return target


def _take(item: Item, found: _Found) -> None:
    match item:
        case Flaw():
            say(str(item))
        case Entry(record=record, address=address):
            found.name(address.biz, record.account)
        case Listed(address=address):
            found.see(address)
        case SavedPage(body=body, url=url):
            found.read(read_page(body, url))
        case NamedAccount(biz=biz, name=name):
            found.name(biz, name)


def _albums(page: Mapping[str, Any]) -> dict[str, str]:
    """Titles by id of the albums a page names."""
    named = [*page.get("albums", ()), page.get("album") or {}]
    return {album["id"]: album.get("title", "") for album in named if album.get("id")}


def _ask(found: _Found) -> Exit:
    """Fetch a page of each account known by an address alone, as a backfill would; it tells the name."""
    wanted = [address for place, address in found.addresses.items() if not _is_named(found, place)]
    if not wanted:
        return Exit.DONE
    if len(wanted) > MOST_ASKED:
        say(f"of {len(wanted)} addresses {MOST_ASKED} are asked for their account")
    with open_archive() as engine:
        code, readings = _visit(engine, wanted[:MOST_ASKED])
        for reading in readings:
            found.read(reading)
        with transaction(engine) as session:
            for biz, account in found.accounts.items():
                account.name = account.name or queries.account_name(session, biz) or ""
    return code


def _leave_out_strangers(found: _Found) -> None:
    """No configuration can watch what has no __biz of WeChat's: addresses may hold anything in its place."""
    for biz in list(found.accounts):
        try:
            TypeAdapter(Biz).validate_python(biz)
        except ValidationError as error:
            say(str(error.errors()[0]["ctx"]["error"]))
            del found.accounts[biz]
            found.addresses.pop(biz, None)


def _is_named(found: _Found, biz: str) -> bool:
    return biz in found.accounts and bool(found.accounts[biz].name)


def _visit(engine: Engine, wanted: list[Address]) -> tuple[Exit, list[Reading]]:
    """The pages at these addresses, fetched unless they are archived already."""
    now = datetime.now(UTC)
    with transaction(engine) as session:
        run_id = store.start_run(session, "init", {"addresses": len(wanted)}, now)
        sightings = [Sighting(address, "init", now) for address in wanted]
        ids = [one.address_id for one in store.record_sightings(session, run_id, sightings, now)]
        due = store.make_due(session, ids, now)
    with going_on(engine, run_id):
        code = _fetch(engine, run_id, len(due)) if due else Exit.DONE
    with transaction(engine) as session:
        store.close_run(session, run_id, "done" if code is Exit.DONE else "failed", datetime.now(UTC))
        pages = [(last_page(session, number), address) for number, address in zip(ids, wanted, strict=True)]
    return code, [read_page(body, address.url) for body, address in pages if body]


def _fetch(engine: Engine, run_id: int, number: int) -> Exit:
    """Fetch the run's pages. That none could be had is no end: an address may tell enough."""
    try:
        with steps(number) as shown:
            return fetch(Line(engine, {}), run_id, number, Tally(), shown)
    except CommandError as error:
        say(str(error))
        return error.code


def _nothing(what: str, found: _Found) -> str:
    if found.addresses:
        return (
            f"{what} could not be read now, and a short link alone does not name its account; "
            "try again later, or give a long address (…/s?__biz=…)"
        )
    return f"{what} names no account; give the address of any of its posts, a saved page, a dump or a list"


def _write(target: Path | None, text: str) -> None:
    if target is None:
        sys.stdout.write(text)
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise CommandError(f"{target} cannot be written: {(error.strerror or str(error)).lower()}") from None


def _report(target: Path | None, found: _Found) -> None:
    names = ", ".join(account.name or account.biz for account in found.accounts.values())
    nameless = [biz for biz, account in found.accounts.items() if not account.name]
    say(f"{target or 'the configuration'} watches {names}; try its sources with `mparchive discover`")
    if nameless:
        say(f"the name of {', '.join(nameless)} could not be found out; write it into the file")
