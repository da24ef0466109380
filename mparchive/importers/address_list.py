"""Read lists of addresses and feeds as inputs: what cannot be imported is a flaw, what is none is skipped."""

from collections.abc import Iterator
from typing import BinaryIO

from archive.domain.address_list import (
    MAX_EXAMPLE,
    MAX_WHOLE,
    ListedAddress,
    UnlistedLines,
    UnreadRest,
    read_addresses,
    read_markup,
)
from archive.domain.address_text import is_bookmarks, post_addresses
from archive.domain.addresses import parse_address, public_part
from archive.domain.messages import Message
from archive.domain.records import SHANGHAI
from mparchive.importers.items import Flaw, InputError, NothingToImport, Skipped


def read_list(stream: BinaryIO, name: str) -> Iterator[ListedAddress | Flaw | Skipped]:
    """Yield addresses and flaws of a list, each address once. Raises InputError when there is neither.

    All lines without an address are one item. Raises NothingToImport for bookmarks or OPML without a post.
    """
    remarks: list[Skipped] = []
    found = False
    for item in read_addresses(stream):
        one = _item(item, name)
        if isinstance(one, Skipped):
            remarks.append(one)
            continue
        found = True
        yield one
    if found:
        yield from remarks
    elif is_bookmarks(read_markup(stream) or ""):
        raise NothingToImport("mparchive.list.only_feeds", name=name)
    else:
        raise InputError("mparchive.list.no_address", name=name)


def _item(item: ListedAddress | UnlistedLines | UnreadRest, name: str) -> ListedAddress | Flaw | Skipped:
    match item:
        case ListedAddress():
            return item
        case UnlistedLines(number=number, line=line, example=example, reason=None):
            return Skipped(name, number, "mparchive.list.prose", {"line": line, "example": example})
        case UnlistedLines(number=number, line=line, reason=Message() as reason):
            if number > 1:
                reason = Message("mparchive.list.no_posts", {"reason": reason, "n": number})
            return Flaw(name, _line(line), reason, number)
    if item.line is None:
        params = {"name": name, "reason": item.reason}
        return Flaw(name, None, Message("mparchive.list.rest_unread", params))
    return Flaw(name, _line(item.line), item.reason or Message("archive.list.empty_cell"))


def _line(number: int) -> Message:
    return Message("mparchive.input.line", {"number": number})


def read_feed_file(stream: BinaryIO, name: str) -> Iterator[ListedAddress | Skipped]:
    """Yield the addresses of the entries of a feed; those in the text of an entry are left out.

    Raises InputError when it cannot be read, NothingToImport where no entry leads to a post.
    """
    from crawler.discovery.feed_process import read_feed  # noqa: PLC0415 - only a feed needs its libraries
    from crawler.discovery.source import SourceError  # noqa: PLC0415 - as above

    try:
        entries = read_feed(stream.read(MAX_WHOLE))
    except SourceError as error:
        raise InputError("mparchive.list.feed_unreadable", name=name, reason=error.message) from None
    without: list[str] = []
    for entry in entries:
        url = next(post_addresses(f"{entry.link} {entry.id}"), None)
        if url is None:
            without.append(public_part(entry.link or entry.id or entry.title)[:MAX_EXAMPLE])
            continue
        day = entry.published_at.astimezone(SHANGHAI).date() if entry.published_at else None
        yield ListedAddress(parse_address(url), entry.title, day)
    if len(without) == len(entries):
        raise NothingToImport("mparchive.list.feed_without_posts", name=name)
    if without:
        yield Skipped(name, len(without), "mparchive.list.feed_entries", {"example": without[0]})
