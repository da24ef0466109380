"""Everything `backfill` was given, as one stream of items: good ones, flaws, and what was passed over."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from archive.address import HOST, parse_address
from archive.errors import AddressError
from mparchive.inputs.accounts import NamedAccount, read_accounts
from mparchive.inputs.dump import Entry, read_dump
from mparchive.inputs.flaw import Flaw, InputError, NoInput, Passed, few_flaws
from mparchive.inputs.folder import files_of, is_listing
from mparchive.inputs.listing import Listed
from mparchive.inputs.listing import read_list as listed_in
from mparchive.inputs.medium import SavedMedium, Seek, seek_none
from mparchive.inputs.page import MAX_PAGE, SavedPage
from mparchive.inputs.source import Form, Source, is_address, open_source, shown
from mparchive.inputs.wacz import read_wacz
from mparchive.inputs.warc import read_warc

Good = Entry | Listed | SavedPage | SavedMedium | NamedAccount
Item = Good | Flaw | Passed


def read_given(what: Sequence[str], url: str | None = None, seek: Seek = seek_none) -> Iterator[Item]:
    """Read what was given, in order. `url` is a saved page's address; `seek` says which media to give."""
    for one in what:
        try:
            if is_address(one):
                yield _address(one)
            elif _is_folder(one):
                yield from _folder(one, url, seek)
            else:
                with open_source(one) as source:
                    yield from _items(source, url, seek)
        except InputError as error:
            yield Flaw(shown(one), "", str(error))


def _address(given: str) -> Item:
    try:
        return Listed(parse_address(f"https://{given}" if given.startswith(f"{HOST}/") else given))
    except AddressError as error:
        return Flaw(given, "", str(error))


def _is_folder(given: str) -> bool:
    try:
        return Path(given).is_dir()
    except OSError:  # a name no file can have; opening it tells
        return False


def _folder(folder: str, url: str | None, seek: Seek) -> Iterator[Item]:
    """The files of a folder, in order. Whatever else lies there, scripts and pictures, is passed over."""
    taken = passed = 0
    for path in files_of(Path(folder)):
        try:
            with open_source(str(path)) as source:
                if source.form is Form.LIST and not is_listing(source):
                    raise NoInput(f"{path} is no list of addresses")
                yield from _items(source, url, seek)
            taken += 1
        except NoInput:
            passed += 1
        except InputError as error:
            taken += 1
            yield Flaw(shown(str(path)), "", str(error))
    if not taken:
        raise InputError(
            f"{shown(folder)} holds no dump, no list of addresses, no saved page and no WARC file"
        )
    if passed:
        yield Passed(shown(folder), passed, "files that are no dump, list, saved page or WARC")


def _items(source: Source, url: str | None, seek: Seek) -> Iterator[Item]:
    return few_flaws(_read(source, url, seek), source.name)


def _read(source: Source, url: str | None, seek: Seek) -> Iterator[Item]:
    match source.form:
        case Form.DUMP:
            yield from read_dump(source.stream, source.name)
        case Form.LIST:
            yield from listed_in(source.stream, source.name)
        case Form.PAGE:
            yield _page(source, url)
        case Form.WARC:
            yield from read_warc(source.stream, source.name, seek)
        case Form.WACZ:
            yield from read_wacz(source.stream, source.name, seek)
        case Form.ACCOUNTS:
            yield from read_accounts(source.stream, source.name)


def _page(source: Source, url: str | None) -> SavedPage:
    body = source.stream.read(MAX_PAGE + 1)
    if len(body) > MAX_PAGE:
        raise InputError(f"{source.name} has over {MAX_PAGE} bytes; no page of a post has")
    return SavedPage(source.name, body, source.written_at, url)
