"""Read the inputs of a command: addresses, files, standard input, and folders of files."""

import io
import json
import os
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from archive.domain.address_list import MAX_WHOLE, ListedAddress, read_json_list
from archive.domain.address_text import post_addresses
from archive.domain.addresses import HOST, parse_address
from archive.domain.errors import AddressError
from archive.domain.records import FIELDS
from mparchive.importers.accounts import NamedAccount, read_accounts
from mparchive.importers.address_list import read_feed_file, read_list
from mparchive.importers.dump import DumpEntry, read_csv_dump, read_dump
from mparchive.importers.items import (
    MAX_PAGE,
    FindMedia,
    Flaw,
    InputError,
    NothingToImport,
    SavedMedium,
    SavedPage,
    Skipped,
    find_no_media,
    limit_flaws,
)
from mparchive.importers.mhtml import read_mhtml
from mparchive.importers.open import HEAD, Form, Source, display_name, is_address, open_source
from mparchive.importers.wacz import read_wacz
from mparchive.importers.warc import read_warc

MAX_FILES = 100_000  # of one folder; ten years of a busy account, one file per page, have a tenth

_LISTS = (
    ".txt",
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".opml",
    ".html",
    ".htm",
    ".md",
)  # a script or a log may contain addresses too

_HOSTS = (HOST.encode(), HOST.encode("utf-16-le"), HOST.encode("utf-16-be"))


def list_files(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder by name, without hidden ones. Raises InputError for too many."""
    number = 0
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(here) / name for name in sorted(files) if not name.startswith(".")):
            number += 1
            if number > MAX_FILES:
                raise InputError("mparchive.input.too_many_files", folder=folder, max=MAX_FILES)
            if path.is_file():  # reading a pipe would block
                yield path


def is_address_list(source: Source) -> bool:
    """Tell by name and content whether a file is meant as a list of addresses."""
    head = source.stream.read(HEAD)
    source.stream.seek(0)
    name = source.name.lower().removesuffix(".gz")
    return name.endswith(_LISTS) and any(host in head for host in _HOSTS)


def check_not_empty(inputs: Sequence[str]) -> None:
    """Raise InputError for an empty input: as the name of a file it would mean the current folder."""
    if not all(one.strip() for one in inputs):
        raise InputError("mparchive.input.empty_argument")


Item = DumpEntry | ListedAddress | SavedPage | SavedMedium | NamedAccount | Flaw | Skipped


def day_of(item: Item) -> date | None:
    """Return the day a post was published, where that is known before its page is parsed."""
    match item:
        case DumpEntry(record=record):
            return date.fromisoformat(record.date)
        case ListedAddress(day=day):
            return day
    return None


def read_inputs(
    inputs: Sequence[str], url: str | None = None, find_media: FindMedia = find_no_media
) -> Iterator[Item]:
    """Yield the items of the inputs, in order.

    `url` is the address of a saved page; `find_media` says which media are wanted. Whatever cannot be read is
    a flaw. Raises InputError for an empty input.
    """
    check_not_empty(inputs)
    for one in inputs:
        try:
            if is_address(one):
                yield _address(one)
            elif _is_folder(one):
                yield from _folder(one, url, find_media)
            else:
                with open_source(one) as source:
                    yield from _items(source, url, find_media)
        except InputError as error:
            yield Flaw(display_name(one), None, error.message)


def _address(given: str) -> Item:
    try:
        url = next(post_addresses(given), given)
        return ListedAddress(parse_address(f"https://{url}" if url.startswith(f"{HOST}/") else url))
    except AddressError as error:
        return Flaw(given, None, error.message)


def _is_folder(given: str) -> bool:
    try:
        return Path(given).is_dir()
    except OSError:  # an invalid file name; opening it gives the reason
        return False


def _folder(folder: str, url: str | None, find_media: FindMedia) -> Iterator[Item]:
    """Yield the items of the files of a folder, in order; other files, such as scripts, are skipped."""
    imported = skipped = 0
    for path in list_files(Path(folder)):
        try:
            with open_source(str(path)) as source:
                if source.form is Form.LIST and not is_address_list(source):
                    raise NothingToImport("mparchive.input.no_list", path=path)
                yield from _items(source, url, find_media)
            imported += 1
        except NothingToImport:
            skipped += 1
        except InputError as error:
            imported += 1
            yield Flaw(display_name(str(path)), None, error.message)
    if not imported:
        raise InputError("mparchive.input.empty_folder", folder=display_name(folder))
    if skipped:
        yield Skipped(display_name(folder), skipped, "mparchive.input.other_files")


def _items(source: Source, url: str | None, find_media: FindMedia) -> Iterator[Item]:
    return limit_flaws(_read(source, url, find_media), source.name)


def _read(source: Source, url: str | None, find_media: FindMedia) -> Iterator[Item]:
    match source.form:
        case Form.DUMP:
            yield from read_dump(source.stream, source.name)
        case Form.CSV_DUMP:
            yield from read_csv_dump(source.stream, source.name)
        case Form.LIST:
            yield from read_list(source.stream, source.name)
        case Form.FEED:
            yield from read_feed_file(source.stream, source.name)
        case Form.PAGE:
            yield _page(source, url)
        case Form.MHTML:
            yield read_mhtml(source.stream, source.name, source.written_at, url)
        case Form.WARC:
            yield from read_warc(source.stream, source.name, find_media)
        case Form.WACZ:
            yield from read_wacz(source.stream, source.name, find_media)
        case Form.ACCOUNTS:
            yield from _object(source)


def _object(source: Source) -> Iterator[Item]:
    """Yield what is in a JSON object or in JSON Lines: records of a dump, or accounts and addresses."""
    text = source.stream.read(MAX_WHOLE).decode("utf-8-sig", "replace")
    if any(name in text[:HEAD] for name in FIELDS):
        yield from read_dump(io.BytesIO(_as_dump(text)), source.name)
        return
    source.stream.seek(0)
    found = read_json_list(source.stream)
    yield from found
    source.stream.seek(0)
    try:
        yield from read_accounts(source.stream, source.name)
    except InputError:
        if not found:
            raise


def _as_dump(text: str) -> bytes:
    """Return one record, one record per line, or the records within an object, as a dump has them."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        text = ",".join(line for line in text.splitlines() if line.strip())
    else:
        inner = value.values() if value.keys().isdisjoint(FIELDS) else ()
        within = [one for part in inner for one in (part if isinstance(part, list) else [part])]
        records = [one for one in within if isinstance(one, dict) and not one.keys().isdisjoint(FIELDS)]
        text = json.dumps(records)[1:-1] if records else text
    return f"[{text}]".encode()


def _page(source: Source, url: str | None) -> SavedPage:
    body = source.stream.read(MAX_PAGE + 1)
    if len(body) > MAX_PAGE:
        raise InputError("mparchive.input.page_too_large", name=source.name, bytes=MAX_PAGE)
    return SavedPage(source.name, body, source.written_at, url)
