"""The sources `list`, a file of addresses, and `command`, a program that prints them; read at each run."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from typing import Any

from archive.domain.address_list import ListedAddress, UnlistedLines, UnreadRest, read_addresses
from archive.domain.messages import Message
from crawler.discovery.source import Discovery, ListedPost, SourceError, SourceFindings, State

_BY_HAND = Message("crawler.command.remedy")

_EMPTY_OUTPUTS = (b"", b"[]", b"{}", b"null")


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
        found, warnings = _read(self._content)
        if not found:
            empty = Message("crawler.list.empty")
            return SourceFindings(State.EMPTY, empty, memory=memory, warnings=warnings)
        return SourceFindings(State.OK, None, tuple(found), memory=memory, warnings=warnings)


class CommandList:
    """The addresses that a program of the user's prints, in any form that an import reads.

    `run` returns the output and the exit code, and raises SourceError.
    """

    name = "command"
    host = ""

    def __init__(self, run: Callable[[], tuple[bytes, int]]):
        self._run = run

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """List all addresses of the output; those before a failure count."""
        yield from ()
        try:
            output, exit_code = self._run()
        except SourceError as error:
            by_hand = None if error.state is State.NOT_CONFIGURED else _BY_HAND
            return replace(error.findings([], memory), remedy=by_hand)
        found, warnings = _read(output, quoted=False)
        if exit_code:
            state, detail = State.UNREACHABLE, Message("crawler.command.exit_code", {"number": exit_code})
        elif found:
            state, detail = State.OK, None
        else:
            state, detail = _nothing_listed(output)
        return SourceFindings(
            state,
            detail,
            tuple(found),
            memory=memory,
            warnings=warnings if found else (),
            remedy=None if state.good else _BY_HAND,
        )


def _nothing_listed(output: bytes) -> tuple[State, Message]:
    """Return why an output has no address of a post. None of it is quoted: it may hold a secret."""
    if output.strip() in _EMPTY_OUTPUTS:
        return State.EMPTY, Message("crawler.command.empty")
    try:
        output.decode("utf-8")
    except UnicodeDecodeError:
        return State.NOT_UNDERSTOOD, Message("crawler.command.not_text")
    return State.NOT_UNDERSTOOD, Message("crawler.command.no_address")


def _read(content: bytes, *, quoted: bool = True) -> tuple[list[ListedPost], tuple[Message, ...]]:
    """Return the posts of a list, and warnings about the rest of it, which quote a line of it if they may."""
    items = list(read_addresses(BytesIO(content)))
    found = [ListedPost(one.address.url, one.title) for one in items if isinstance(one, ListedAddress)]
    return found, _warnings([one for one in items if not isinstance(one, ListedAddress)], quoted=quoted)


def _warnings(others: list[UnlistedLines | UnreadRest], *, quoted: bool) -> tuple[Message, ...]:
    """Return how many lines have no address of a post, and what was not read."""
    unread = (one.reason for one in others if isinstance(one, UnreadRest))
    warnings = [Message("crawler.list.rest_unread", {"reason": reason}) for reason in unread]
    lines = [one for one in others if isinstance(one, UnlistedLines)]
    if lines:
        first = min(lines, key=lambda one: one.line)
        number = sum(one.number for one in lines)
        example = {"line": first.line, "example": first.example, "n": number}
        warnings.append(
            Message("crawler.list.lines_without_post", example)
            if quoted
            else Message("crawler.command.lines_without_post", {"n": number})
        )
    return tuple(warnings)
