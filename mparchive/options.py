"""Types of command-line options."""

import re
from enum import StrEnum
from typing import Any

from typer.core import TyperCommand

_LAST_TWO = ".."

_NO_VALUE = re.compile(r"-.*|\d+_\d+")  # another option, or the aid


class OptionalDiffValue(TyperCommand):
    """A command whose --diff may stand alone and then compares the last two versions.

    Typer's own options always take a value.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the default value after a --diff without one."""
        complete = list(args)
        if "--diff" in complete:
            position = complete.index("--diff") + 1
            if position == len(complete) or _NO_VALUE.fullmatch(complete[position]):
                complete.insert(position, _LAST_TWO)
        return super().parse_args(ctx, complete)


class Format(StrEnum):
    """The formats of an export."""

    DUMP = "dump"
    JSONL = "jsonl"
    CSV = "csv"
    HTML = "html"
    MARKDOWN = "markdown"
    WARC = "warc"
    WACZ = "wacz"
