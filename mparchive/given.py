"""Everything `backfill` was given, as one stream of items: good ones, and flaws that cost only themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from archive.address import HOST, parse_address
from archive.errors import AddressError
from mparchive.inputs import Entry, Flaw, Form, InputError, Listed, Source, is_address, open_source, read_dump
from mparchive.inputs import read_list as listed_in

MAX_PAGE = 16 * 1024 * 1024  # bytes, unpacked: the cap for pages everywhere


@dataclass(frozen=True, slots=True)
class SavedPage:
    """A page somebody saved; `saved_at` is the file's time, UTC."""

    name: str
    body: bytes
    saved_at: datetime
    url: str | None = None


Good = Entry | Listed | SavedPage
Item = Good | Flaw


def read_given(what: Sequence[str], url: str | None = None) -> Iterator[Item]:
    """Read what was given, in order. `url` is the address of a saved page."""
    for one in what:
        try:
            yield from [_address(one)] if is_address(one) else _read(one, url)
        except InputError as error:
            yield Flaw(one, "", str(error))


def _address(given: str) -> Item:
    try:
        return Listed(parse_address(f"https://{given}" if given.startswith(f"{HOST}/") else given))
    except AddressError as error:
        return Flaw(given, "", str(error))


def _read(what: str, url: str | None) -> Iterator[Item]:
    with open_source(what) as source:
        match source.form:
            case Form.DUMP:
                yield from read_dump(source.stream, source.name)
            case Form.LIST:
                yield from listed_in(source.stream, source.name)
            case Form.PAGE:
                yield _page(source, url)


def _page(source: Source, url: str | None) -> SavedPage:
    body = source.stream.read(MAX_PAGE + 1)
    if len(body) > MAX_PAGE:
        raise InputError(f"{source.name} has over {MAX_PAGE} bytes; no page of a post has")
    return SavedPage(source.name, body, source.written_at, url)
