"""The files of a folder that may be inputs, in order."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from archive.domain.addresses import HOST, parse_address
from archive.domain.errors import AddressError
from mparchive.importers.accounts import NamedAccount, read_accounts
from mparchive.importers.address_list import Listed
from mparchive.importers.address_list import read_list as listed_in
from mparchive.importers.dump import Entry, read_dump
from mparchive.importers.items import (
    MAX_PAGE,
    Flaw,
    InputError,
    NoInput,
    Passed,
    SavedMedium,
    SavedPage,
    Seek,
    few_flaws,
    seek_none,
)
from mparchive.importers.open import HEAD, Form, Source, is_address, open_source, shown
from mparchive.importers.wacz import read_wacz
from mparchive.importers.warc import read_warc

MOST_FILES = 100_000  # looked at in one folder; a page a file, ten years of a busy account have a tenth

_LISTS = (".txt", ".csv", ".tsv")  # a script or a log may well hold addresses too, and is no list

_HOSTS = (HOST.encode(), HOST.encode("utf-16-le"), HOST.encode("utf-16-be"))


def files_of(folder: Path) -> Iterator[Path]:
    """Every file below, by name; nothing hidden. Raises InputError when there are too many to look at."""
    number = 0
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(here) / name for name in sorted(files) if not name.startswith(".")):
            number += 1
            if number > MOST_FILES:
                raise InputError(f"{folder} holds over {MOST_FILES} files; name some of its folders instead")
            if path.is_file():  # no pipe, which would be waited for
                yield path


def is_listing(source: Source) -> bool:
    """Whether a file that may be a list of addresses is meant as one."""
    head = source.stream.read(HEAD)
    source.stream.seek(0)
    name = source.name.lower().removesuffix(".gz")
    return name.endswith(_LISTS) and any(host in head for host in _HOSTS)


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
