"""The source `list`: a file of addresses that people add to, read again at each run."""

from datetime import datetime
from typing import Any

from archive.domain.addresses import in_text
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
        posts: dict[str, ListedPost] = {}
        wrong: list[int] = []
        for number, line in enumerate(self._text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            links = in_text(line)
            posts |= {link: ListedPost(link) for link in links}
            if not links:
                wrong.append(number)
        warnings = (_warning(wrong),) if wrong else ()
        if not posts:
            empty = Message("crawler.list.empty")
            return SourceFindings(State.EMPTY, empty, memory=memory, warnings=warnings)
        return SourceFindings(State.OK, None, tuple(posts.values()), memory=memory, warnings=warnings)


def _warning(wrong: list[int]) -> Message:
    numbers, more = wrong[:MAX_NUMBERS], len(wrong) - MAX_NUMBERS
    if more <= 0:
        return Message("crawler.list.no_address", {"lines": numbers})
    return Message("crawler.list.no_address_and_more", {"lines": numbers, "n": more})
