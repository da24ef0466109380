"""Talking to the person at the terminal: results on stdout, everything else on stderr."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

LONG = 400  # characters of a text shown in a table

# C0 but tab and line feed, DEL, C1, what turns the direction of writing, and halves of characters. To a
# terminal they are orders: to write into the clipboard, to move the cursor, to change the order of words.
_ORDERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

# Of these, what JSON leaves as it is; written as JSON's own escapes, they are the same data.
_ORDERS_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def pictured(text: str) -> str:
    """The text with control characters as pictures or escapes of themselves: ESC as ␛, CSI as \\x9b."""
    return _ORDERS.sub(_picture, text)


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class _Terminal(Console):
    """A console on which other people's words are words, on a terminal and in a pipe alike."""

    def print(self, *objects: Any, **how: Any) -> None:
        """Print; rich itself would take some control characters out of strings."""
        super().print(*(pictured(one) if isinstance(one, str) else one for one in objects), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """All that is shown comes through here, tables and progress bars too, before colours are added."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(pictured(segment.text), segment.style)


# What is shown is mostly other people's words: brackets and colons in them style nothing.
out = _Terminal(markup=False, emoji=False, highlight=False, soft_wrap=True)

err = _Terminal(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)


class Steps(Protocol):
    """Something that shows how far long work has come."""

    def step(self, words: str, done: int) -> None:
        """Show that `done` are done, and what the last one was."""


class _Bar:
    def __init__(self, progress: "Progress", total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total)

    def step(self, words: str, done: int) -> None:
        self._progress.update(self._task, completed=done, description=pictured(words[:60]))


class _Lines:
    def __init__(self, total: int | None, every: int) -> None:
        self._total = f"/{total}" if total is not None else ""
        self._every = every

    def step(self, words: str, done: int) -> None:
        if done % self._every == 0:
            err.print(f"{done}{self._total} {words}", markup=False)


@contextmanager
def steps(total: int | None, every: int = 1) -> Iterator[Steps]:
    """A progress bar on a terminal, plain lines elsewhere: one for so many steps."""
    if not err.is_terminal:
        yield _Lines(total, every)
        return
    from rich.progress import (  # noqa: PLC0415 - only a terminal has a bar
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    words = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), words)
    with Progress(*columns, console=err) as progress:
        yield _Bar(progress, total)


def print_json(value: Any) -> None:
    """One JSON value on stdout, readable and with Chinese as it is."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    sys.stdout.write(_ORDERS_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def say(message: str) -> None:
    """One sentence on stderr."""
    err.print(message, markup=False)


def facts_table(facts: Mapping[str, str]) -> "Table":
    """A name and what it is, a line each."""
    from rich.table import Table  # noqa: PLC0415 - a tenth of a command's start, where nothing is shown so

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, pictured(value))
    return table


def shortened(text: str) -> str:
    """The beginning of a text, for a table."""
    words = text.replace("\r", "\n").strip()
    return words if len(words) <= LONG else f"{words[:LONG]}…"
