"""`mparchive init`: write a configuration that monitors one or more accounts."""

import json
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Engine

from archive.db.advisory_locks import run_lock
from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.address_list import ListedAddress
from archive.domain.addresses import PostAddress
from archive.domain.captures import SightingData
from archive.domain.messages import Message
from archive.domain.monitoring import NEIGHBOURS, SourceType
from archive.domain.parsed_page import ParsedPage
from archive.reports.source_coverage import finds, needs
from archive.repository import accounts as accounts_repository
from archive.repository import frontier, runs
from archive.repository.captures import last_page
from archive.system import clock
from archive.system.catalogues import Language, process_language
from archive.system.files import is_below, make_private_folder, private_opener
from crawler.discovery.config import MAX_SOURCES, Biz
from crawler.parse.page import read_page
from mparchive.console import printable, say, steps
from mparchive.crawl import RunSummary, fetch_pages, open_egress
from mparchive.errors import CommandError, Exit
from mparchive.importers.accounts import NamedAccount
from mparchive.importers.dump import DumpEntry
from mparchive.importers.items import Flaw, SavedPage, message_of
from mparchive.importers.read import Item, read_inputs
from scheduler.config import FILE_NAME, VARIABLE

STDOUT = "-"

MAX_FETCHED = 5  # pages fetched to learn names, in half a minute; a list is mostly of one account

MAX_ACCOUNTS = 200  # of one configuration

_TEMPLATES: dict[Language, str] = {"en": "example.toml", "zh": "example.zh.toml"}

_ACCOUNT_TABLE = "[[accounts]]"


@dataclass
class FoundAccount:
    """An account that a configuration is to monitor; `albums` has titles by id, those found in its posts."""

    biz: str
    name: str = ""
    albums: dict[str, str] = field(default_factory=dict)


def configuration_text(accounts: Iterable[FoundAccount], language: Language = "en") -> str:
    """Return a configuration of these accounts, valid as it is and with any of its examples uncommented."""
    template = (
        resources.files("mparchive").joinpath(f"mparchive.{_TEMPLATES[language]}").read_text(encoding="utf-8")
    )
    before, _, rest = template.partition(_ACCOUNT_TABLE)
    example, _, after = rest.partition("\n\n")
    tables = (_account_table(account, example, language) for account in accounts)
    return before + "\n\n".join(tables) + "\n\n" + after


def _account_table(account: FoundAccount, example: str, language: Language) -> str:
    """Return the example of the template with the values of an account."""
    lines = []
    for line in example.splitlines():
        if line.startswith("biz = "):
            lines.append(f"biz = {_quoted(account.biz)}")
        elif line.startswith("name = "):
            lines.append(f"name = {_quoted(account.name or account.biz)}")
            if not account.name:
                lines.append(f"# {Message('mparchive.init.template.no_name').text(language)}")
        elif line.startswith("albums = "):
            lines.append(_albums_line(account, language))
        else:
            lines.append(line)
    return _ACCOUNT_TABLE + "\n".join(lines)


def _albums_line(account: FoundAccount, language: Language) -> str:
    """Return every album found, or a comment that shows how one is named."""
    if not account.albums:
        return '# albums = ["https://mp.weixin.qq.com/mp/appmsgalbum?album_id=…"]'
    titles = [printable(" ".join(title.split())) for title in account.albums.values()]
    comment = Message("mparchive.init.template.albums", {"titles": titles}).text(language)
    return f"albums = [{', '.join(map(_quoted, list(account.albums)[:MAX_SOURCES]))}]  # {comment}"


def _quoted(text: str) -> str:
    """Return the text as a TOML string; JSON escapes the same characters, except DEL."""
    storable = text.encode("utf-8", "replace").decode()
    return json.dumps(storable, ensure_ascii=False).replace("\x7f", "\\u007f")


@dataclass
class _Found:
    """Accounts by biz, and one address of each whose page has more: by biz, or by token for a short link."""

    accounts: dict[str, FoundAccount] = field(default_factory=dict)
    addresses: dict[str, PostAddress] = field(default_factory=dict)

    def account(self, biz: str) -> FoundAccount:
        return self.accounts.setdefault(biz, FoundAccount(biz))

    def add_name(self, biz: str, name: str) -> None:
        account = self.account(biz)
        account.name = account.name or name

    def add_address(self, address: PostAddress) -> None:
        """Add an address; one with chksm is enough for an account."""
        key = address.biz or address.token
        before = self.addresses.get(key)
        if before is None or (address.chksm and not before.chksm):
            self.addresses[key] = address
        if address.biz:
            self.account(address.biz)

    def add_page(self, page: ParsedPage) -> None:
        """Add what the page of a post contains about its account."""
        if not page.record or not page.biz:
            return
        self.add_name(page.biz, page.record.account)
        self.account(page.biz).albums.update(_albums(page.page))


def init(source: str, output: str | None, environment: Mapping[str, str] = os.environ) -> Exit:
    """Find the accounts of an input, and write a configuration that monitors them.

    Raises CommandError where there is a file already, or no account is found.
    """
    target = _target(output, environment)
    found = _Found()
    if not Path(source).exists() and "://" not in source:
        _add_named(source, found)
    for item in read_inputs([source]) if not found.accounts else ():
        _add_item(item, found)
    _drop_invalid_accounts(found)
    code = _fetch_names(found) if found.addresses else Exit.DONE
    _drop_invalid_accounts(found)
    if not found.accounts:
        reason = "mparchive.init.short_link_unread" if found.addresses else "mparchive.init.no_account"
        raise CommandError(Message(reason, {"input": source}), code or Exit.USAGE)
    if len(found.accounts) > MAX_ACCOUNTS:
        params = {"input": source, "n": len(found.accounts), "max": MAX_ACCOUNTS}
        raise CommandError(Message("mparchive.init.too_many_accounts", params))
    write_config(target, configuration_text(found.accounts.values(), process_language()))
    _report(target, found)
    return code


def _target(output: str | None, environment: Mapping[str, str]) -> Path | None:
    """Return where to write, None for stdout. Raises CommandError where a file exists."""
    if output == STDOUT:
        return None
    target = Path(output or environment.get(VARIABLE) or FILE_NAME).expanduser()
    if target.exists():
        raise CommandError(Message("mparchive.init.exists", {"path": target}))
    return target


def _add_named(named: str, found: _Found) -> None:
    """Add the account of a __biz, or the archived accounts of a name; WeChat has no directory of names."""
    with suppress(ValidationError):
        found.account(TypeAdapter(Biz).validate_python(named))
    settings = ArchiveSettings()
    if not settings.database_url and not (settings.home / "postgres").exists():
        return
    with open_archive(settings) as engine, transaction(engine) as session:
        for account in accounts_repository.accounts_named(session, named):
            found.add_name(account.biz, account.name)


def _add_item(item: Item, found: _Found) -> None:
    match item:
        case Flaw():
            say(item.message)
        case DumpEntry(record=record, address=address):
            found.add_name(address.biz, record.account)
        case ListedAddress(address=address):
            found.add_address(address)
        case SavedPage(body=body, url=url):
            found.add_page(read_page(body, url))
        case NamedAccount(biz=biz, name=name):
            found.add_name(biz, name)


def _albums(page: Mapping[str, Any]) -> dict[str, str]:
    """Return the titles by id of the albums that a page names."""
    named = [*page.get("albums", ()), page.get("album") or {}]
    return {album["id"]: album.get("title", "") for album in named if album.get("id")}


def _fetch_names(found: _Found) -> Exit:
    """Fetch a page of each account that has no name yet, as a backfill would."""
    wanted = [address for key, address in found.addresses.items() if not _is_named(found, key)]
    if not wanted:
        return Exit.DONE
    if len(wanted) > MAX_FETCHED:
        say(Message("mparchive.init.some_fetched", {"n": len(wanted), "max": MAX_FETCHED}))
    with open_archive() as engine:
        code, pages = _visit_addresses(engine, wanted[:MAX_FETCHED])
        for page in pages:
            found.add_page(page)
        with transaction(engine) as session:
            for biz, account in found.accounts.items():
                account.name = account.name or accounts_repository.account_name(session, biz) or ""
    return code


def _drop_invalid_accounts(found: _Found) -> None:
    """Drop accounts whose __biz is not valid: an address may have anything in its place."""
    for biz in list(found.accounts):
        try:
            TypeAdapter(Biz).validate_python(biz)
        except ValidationError as error:
            say(message_of(error.errors()[0]["ctx"]["error"]))
            del found.accounts[biz]
            found.addresses.pop(biz, None)


def _is_named(found: _Found, biz: str) -> bool:
    return biz in found.accounts and bool(found.accounts[biz].name)


def _visit_addresses(engine: Engine, wanted: list[PostAddress]) -> tuple[Exit, list[ParsedPage]]:
    """Return the parsed pages of these addresses, fetched unless they are archived already."""
    now = clock.now()
    with transaction(engine) as session:
        run_id = runs.start_run(session, "init", {"addresses": len(wanted)}, now)
        sightings = [SightingData(address, "init", now) for address in wanted]
        ids = [one.address_id for one in frontier.record_sightings(session, run_id, sightings, now)]
        due = frontier.make_due(session, ids, now)
    with run_lock(engine, run_id):
        code = _crawl(engine, run_id, due) if due else Exit.DONE
    with transaction(engine) as session:
        runs.close_run(session, run_id, "done" if code is Exit.DONE else "failed", clock.now())
        pages = [(last_page(session, number), address) for number, address in zip(ids, wanted, strict=True)]
    return code, [read_page(body, address.url) for body, address in pages if body]


def _crawl(engine: Engine, run_id: int, due: list[int]) -> Exit:
    """Fetch the pages of the run. A failure does not end the command: an address may be enough."""
    try:
        with steps(len(due)) as progress:
            return fetch_pages(open_egress(engine), run_id, due, RunSummary(), progress)
    except CommandError as error:
        say(error.message)
        return error.code


def write_config(target: Path | None, text: str) -> None:
    """Write a configuration to a new file, for its owner alone below the home folder; None: to stdout.

    Raises CommandError.
    """
    if target is None:
        sys.stdout.write(text)
        return
    is_private = is_below(target, ArchiveSettings().home)
    try:
        if is_private:
            make_private_folder(target.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "x", encoding="utf-8", opener=private_opener if is_private else None) as file:
            file.write(text)
    except OSError as error:
        params = {"path": target, "reason": (error.strerror or str(error)).lower()}
        raise CommandError(Message("mparchive.init.not_written", params)) from None


def _report(target: Path | None, found: _Found) -> None:
    names = [account.name or account.biz for account in found.accounts.values()]
    unnamed = [biz for biz, account in found.accounts.items() if not account.name]
    path = target or Message("mparchive.init.configuration")
    say(Message("mparchive.init.written", {"path": path, "accounts": names}))
    if unnamed:
        say(Message("mparchive.init.unnamed", {"accounts": unnamed}))
    with_albums = [account.name or biz for biz, account in found.accounts.items() if account.albums]
    without = [account.name or biz for biz, account in found.accounts.items() if not account.albums]
    if without:
        say(Message("mparchive.init.not_watched", {"path": path, "accounts": without}))
    if with_albums:
        say(Message("mparchive.init.albums_on", {"path": path, "accounts": with_albums}))
    _say_sources([SourceType.ALBUM] if with_albums else [])


def _say_sources(on: Collection[SourceType]) -> None:
    """Print which sources would find what, and what each that is off takes."""
    say(Message("mparchive.init.sources"))
    for kind in sorted(SourceType, key=lambda kind: (kind not in on, kind != NEIGHBOURS)):
        both = {"finds": finds(kind), "needs": needs(kind)} if kind != NEIGHBOURS else {}
        what = Message("archive.source.finds_and_needs", both) if both and kind not in on else finds(kind)
        state = "on" if kind in on or kind == NEIGHBOURS else "off"
        say(
            Message(
                f"mparchive.init.source.{state}",
                {"source": Message(f"scheduler.source.{kind}"), "what": what},
            )
        )
