"""The source `list`: a file of addresses that people add to, read again at each run."""

from datetime import datetime
from typing import Any

from archive.domain.address_text import (
    FoundAddress,
    addresses_by_line,
    addresses_in_bookmarks,
    addresses_in_json,
    is_bookmarks,
)
from archive.domain.messages import Message
from crawler.discovery.source import Discovery, ListedPost, SourceFindings, State

MAX_NUMBERS = 3  # lines without an address that are listed in the warning


class AddressList:
    """Addresses anywhere in the lines of a text; `#` starts a comment. `problem`: why there is no text."""

    name = "list"
    host = ""

    def __init__(self, text: str, problem: Message | None = None):
        self._text = text
        self._problem = problem

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """List all addresses of the file."""
        yield from ()
        if self._problem:
            return SourceFindings(State.NOT_CONFIGURED, self._problem, memory=memory)
        found, wrong = _read(self._text)
        warnings = (_warning(wrong),) if wrong else ()
        if not found:
            empty = Message("crawler.list.empty")
            return SourceFindings(State.EMPTY, empty, memory=memory, warnings=warnings)
        posts: dict[str, ListedPost] = {}
        for one in found:
            posts.setdefault(one.url, ListedPost(one.url, one.title))
        return SourceFindings(State.OK, None, tuple(posts.values()), memory=memory, warnings=warnings)


def _read(text: str) -> tuple[list[FoundAddress], list[int]]:
    """Return the addresses, and the numbers of the lines without one."""
    listed = addresses_in_json(text)
    if listed is not None:
        return listed, []
    if is_bookmarks(text):
        return addresses_in_bookmarks(text), []
    found: list[FoundAddress] = []
    wrong: list[int] = []
    for number, _, urls in addresses_by_line(text):
        found += map(FoundAddress, urls)
        if not urls:
            wrong.append(number)
    return found, wrong


def _warning(wrong: list[int]) -> Message:
    numbers, more = wrong[:MAX_NUMBERS], len(wrong) - MAX_NUMBERS
    if more <= 0:
        return Message("crawler.list.no_address", {"lines": numbers})
    return Message("crawler.list.no_address_and_more", {"lines": numbers, "n": more})
