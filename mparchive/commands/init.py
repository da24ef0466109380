"""The text of a new mparchive.toml: what is known filled in, everything else there to be uncommented."""

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Engine
from tomlkit.items import Table

from archive.db.advisory_locks import run_lock
from archive.db.engine import open_archive, transaction
from archive.domain.addresses import Address
from archive.domain.captures import Sighting
from archive.domain.parsed_page import ParsedPage
from archive.repository import accounts as accounts_repository
from archive.repository import frontier, runs
from archive.repository.captures import last_page
from crawler.discovery.config import Biz
from crawler.parse.page import read_page
from mparchive.console import say, steps
from mparchive.crawl import fetch_pages, open_egress
from mparchive.errors import CommandError, Exit
from mparchive.importers.accounts import NamedAccount
from mparchive.importers.address_list import Listed
from mparchive.importers.dump import Entry
from mparchive.importers.items import Flaw, SavedPage
from mparchive.importers.read import Item, read_given
from mparchive.run_summary import RunSummary
from scheduler.config import FILE_NAME, VARIABLE

_HEAD = """\
What mparchive watches. Everything behind a # is off; the values shown are the defaults or examples.
Times of day are in Asia/Shanghai; file names are seen from this file's folder. No secret belongs in here:
name the file or the environment variable that holds it (credentials_file or credentials_env, secret_file or
secret_env, urls_file or urls_env)."""

_ACCOUNT = """\
Where its new posts may be seen; each source can fail alone, so give more than one. Links between its posts
are always followed."""

_SOURCES = """\
follow_albums = true  # also the albums met in its posts
feeds = ["https://rsshub.example/wechat/NAME?key={env:RSSHUB_KEY}"]  # RSS, Atom or JSON Feed
addresses_file = "addresses.txt"  # addresses by hand, one a line, read anew each time
own_backend = { credentials_file = "backend_login" }  # your own account: cookie and token of mp.weixin.qq.com
official = { appid = "wx0123456789abcdef", secret_file = "app_secret" }  # your own account: the interface
digest_title = "一周要闻"  # in the title of the posts that list the week; a regular expression
every_minutes = 60  # always; without it, by the account's own rhythm"""

_REST = """\
[schedule]
quiet_hours = "23:30-06:30"  # nothing is asked
default_minutes = 60  # between two looks, until the archive has shown the account's rhythm
shortest_minutes = 15  # when it usually publishes
longest_minutes = 720  # when it never does
jitter_percent = 10  # of each interval, either way
every_minutes = { album = 60, own_backend = 120 }  # by kind of source; feed, official, list, neighbours too

[inbox]
folder = "inbox"  # dumps, lists, saved pages and WARC files put there are taken in

[alarms]
urls_file = "alarms"  # whom to tell: one address a line, see https://github.com/caronc/apprise/wiki
again_after_hours = 6  # at most one alarm of a kind in so long

[reading_room]
listen = "127.0.0.1:8788"  # where `mparchive run` serves the archive to browsers; not here alone: set a token

[limits]
pages_a_crawl = 500  # 50 minutes at 6 s each
crawl_minutes = 60
revisits_a_day = 200  # of posts that are archived, for edits and take-downs
free_disk_mb = 2048  # less raises an alarm
quiet_after_hours = 36  # no account is called quiet sooner"""


@dataclass
class FoundAccount:
    """An account that a configuration is to watch; `albums` holds titles by id, those met in its posts."""

    biz: str
    name: str = ""
    albums: dict[str, str] = field(default_factory=dict)


def written(accounts: Iterable[FoundAccount]) -> str:
    """A configuration of these accounts, valid as it stands and with any of its examples uncommented."""
    document = tomlkit.document()
    for line in _HEAD.splitlines():
        document.add(tomlkit.comment(line))
    document.add(tomlkit.nl())
    tables = tomlkit.aot()
    for account in accounts:
        tables.append(_table(account))
    document.append("accounts", tables)
    return tomlkit.dumps(document) + "\n" + "".join(_commented(_REST))


def _table(account: FoundAccount) -> Table:
    table = tomlkit.table()
    table.add("biz", account.biz)
    table.add("name", account.name or account.biz)
    if not account.name:
        table.add(tomlkit.comment("its page could not be read: write the account's name in the line above"))
    for line in _ACCOUNT.splitlines():
        table.add(tomlkit.comment(line))
    for line in [*_album_lines(account), *_SOURCES.splitlines()]:
        table.add(tomlkit.comment(line))
    return table


def _album_lines(account: FoundAccount) -> list[str]:
    """One line that names every album met, or shows how one is named."""
    if not account.albums:
        return ['albums = ["https://mp.weixin.qq.com/mp/appmsgalbum?album_id=…"]']
    ids = ", ".join(f'"{album}"' for album in account.albums)
    titles = ", ".join(" ".join(title.split()) for title in account.albums.values())
    return [f"albums = [{ids}]  # met in its posts: {titles}"]


def _commented(text: str) -> Iterable[str]:
    return (f"# {line}\n" if line else "\n" for line in text.splitlines())


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

    def read(self, reading: ParsedPage) -> None:
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
                account.name = account.name or accounts_repository.account_name(session, biz) or ""
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


def _visit(engine: Engine, wanted: list[Address]) -> tuple[Exit, list[ParsedPage]]:
    """The pages at these addresses, fetched unless they are archived already."""
    now = datetime.now(UTC)
    with transaction(engine) as session:
        run_id = runs.start_run(session, "init", {"addresses": len(wanted)}, now)
        sightings = [Sighting(address, "init", now) for address in wanted]
        ids = [one.address_id for one in frontier.record_sightings(session, run_id, sightings, now)]
        due = frontier.make_due(session, ids, now)
    with run_lock(engine, run_id):
        code = _fetch(engine, run_id, len(due)) if due else Exit.DONE
    with transaction(engine) as session:
        runs.close_run(session, run_id, "done" if code is Exit.DONE else "failed", datetime.now(UTC))
        pages = [(last_page(session, number), address) for number, address in zip(ids, wanted, strict=True)]
    return code, [read_page(body, address.url) for body, address in pages if body]


def _fetch(engine: Engine, run_id: int, number: int) -> Exit:
    """Fetch the run's pages. That none could be had is no end: an address may tell enough."""
    try:
        with steps(number) as progress:
            return fetch_pages(open_egress(engine), run_id, number, RunSummary(), progress)
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
