"""The source `list`: a file of addresses that somebody writes into, read anew at each try."""

from datetime import datetime
from typing import Any

from archive.domain.addresses import in_text
from crawler.discovery.source import Discovery, Found, Seen, State

SHOWN = 3  # lines that hold no address and are named


class AddressList:
    """Addresses anywhere in the lines of a text; `#` starts a comment. `problem`: why there is no text."""

    name = "list"
    host = ""

    def __init__(self, text: str, problem: str = ""):
        self._text = text
        self._problem = problem

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """All addresses of the file."""
        yield from ()
        if self._problem:
            return Found(State.NOT_CONFIGURED, self._problem, memory=memory)
        seen: dict[str, Seen] = {}
        wrong: list[int] = []
        for number, line in enumerate(self._text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            links = in_text(line)
            seen |= {link: Seen(link) for link in links}
            if not links:
                wrong.append(number)
        warnings = (_warning(wrong),) if wrong else ()
        if not seen:
            return Found(State.EMPTY, "the file holds no address of a post", memory=memory, warnings=warnings)
        return Found(State.OK, "", tuple(seen.values()), memory=memory, warnings=warnings)


def _warning(wrong: list[int]) -> str:
    shown = ", ".join(str(number) for number in wrong[:SHOWN])
    more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return f"no address of a post in line {shown}{more} of the file."
