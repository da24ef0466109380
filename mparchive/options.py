"""`--diff` may stand alone: then it asks for the difference of the last two versions."""

import re
from enum import StrEnum
from typing import Any

from typer.core import TyperCommand

_LAST_TWO = ".."

_NO_VALUE = re.compile(r"-.*|\d+_\d+")  # another option, or the aid


class LastTwo(TyperCommand):
    """A command with such a --diff: an option of typer's always takes a value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give it the value it lacks."""
        given = list(args)
        if "--diff" in given:
            behind = given.index("--diff") + 1
            if behind == len(given) or _NO_VALUE.fullmatch(given[behind]):
                given.insert(behind, _LAST_TWO)
        return super().parse_args(ctx, given)


class Format(StrEnum):
    """Formats of an export."""

    DUMP = "dump"
    JSONL = "jsonl"
    CSV = "csv"
    HTML = "html"
    MARKDOWN = "markdown"
    WARC = "warc"
    WACZ = "wacz"
