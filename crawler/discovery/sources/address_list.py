"""The source `list`: a file of addresses that people add to, read again at each run."""

from datetime import datetime
from io import BytesIO
from typing import Any

from archive.domain.address_list import ListedAddress, UnlistedLines, UnreadRest, read_addresses
from archive.domain.messages import Message
from crawler.discovery.source import Discovery, ListedPost, SourceFindings, State


class AddressList:
    """The addresses of a list, which may be in any form that an import reads, with the titles it gives them.

    `problem` tells why there is no content.
    """

    name = "list"
    host = ""

    def __init__(self, content: bytes, problem: Message | None = None):
        self._content = content
        self._problem = problem

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """List all addresses of the file."""
        yield from ()
        if self._problem:
            return SourceFindings(State.NOT_CONFIGURED, self._problem, memory=memory)
        items = list(read_addresses(BytesIO(self._content)))
        found = [ListedPost(one.address.url, one.title) for one in items if isinstance(one, ListedAddress)]
        warnings = _warnings([one for one in items if not isinstance(one, ListedAddress)])
        if not found:
            empty = Message("crawler.list.empty")
            return SourceFindings(State.EMPTY, empty, memory=memory, warnings=warnings)
        return SourceFindings(State.OK, None, tuple(found), memory=memory, warnings=warnings)


def _warnings(others: list[UnlistedLines | UnreadRest]) -> tuple[Message, ...]:
    """Return how many lines have no address of a post, with an example, and what was not read."""
    unread = (one.reason for one in others if isinstance(one, UnreadRest))
    warnings = [Message("crawler.list.rest_unread", {"reason": reason}) for reason in unread]
    lines = [one for one in others if isinstance(one, UnlistedLines)]
    if lines:
        first = min(lines, key=lambda one: one.line)
        params = {"line": first.line, "example": first.example, "n": sum(one.number for one in lines)}
        warnings.append(Message("crawler.list.lines_without_post", params))
    return tuple(warnings)
