"""Print results on stdout and everything else on stderr, in the language of the process."""

import codecs
import errno
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from textwrap import indent
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from archive.domain.messages import Message
from archive.system.catalogues import process_language, template
from mparchive.errors import CommandError, Exit, OutputError

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.table import Table
    from rich.text import Text

    from archive.domain.text_diff import Piece
    from archive.export.result import ExportResult

MAX_CELL = 400  # characters of a text shown in a table; the whole text has views of its own

MAX_DESCRIPTION = 60  # characters beside a progress bar, which shares its line with the counts

# C0 but tab and line feed, DEL, C1, bidirectional controls, and lone surrogates. A terminal obeys them: they
# write to the clipboard, move the cursor or change the order of words.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

# Those of them that JSON does not escape; written as JSON escapes they are the same data.
_CONTROLS_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Return the text with visible symbols for control characters: ESC as ␛, CSI as \\x9b."""
    return _CONTROLS.sub(_symbol, text)


def _symbol(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class _SafeConsole(Console):
    """A console that shows control characters in archived text as symbols, on a terminal and in a pipe."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; rich itself would drop some control characters from strings."""
        super().print(*(printable(one) if isinstance(one, str) else one for one in objects), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Replace control characters in all output, also tables and bars, before colours are added."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


# Most of what is shown is archived text: brackets and colons in it must not be read as markup.
out = _SafeConsole(markup=False, emoji=False, highlight=False, soft_wrap=True)

err = _SafeConsole(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)


class Steps(Protocol):
    """Shows how far a long task has come."""

    def step(self, description: str, done: int) -> None:
        """Show that `done` items are done, and what the last one was."""


class _ProgressBar:
    def __init__(self, bar: "RichProgress", total: int | None) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total)

    def step(self, description: str, done: int) -> None:
        shown = printable(description[:MAX_DESCRIPTION])
        self._bar.update(self._task, completed=done, description=shown)


class _ProgressLines:
    def __init__(self, total: int | None, every: int) -> None:
        self._total = f"/{total}" if total is not None else ""
        self._every = every

    def step(self, description: str, done: int) -> None:
        if done % self._every == 0:
            err.print(f"{done}{self._total} {description}", markup=False)


class _NoSteps:
    def step(self, description: str, done: int) -> None:
        """Show nothing."""


@contextmanager
def terminal_steps(count: Callable[[], int]) -> Iterator[Steps]:
    """Show a progress bar on a terminal, and nothing elsewhere; only a terminal needs the total's `count`."""
    if not err.is_terminal:
        yield _NoSteps()
        return
    with steps(count()) as shown:
        yield shown


@contextmanager
def steps(total: int | None, every: int = 1) -> Iterator[Steps]:
    """Show a progress bar on a terminal; elsewhere print one line for `every` items."""
    if not err.is_terminal:
        yield _ProgressLines(total, every)
        return
    from rich.progress import (  # noqa: PLC0415 - only a terminal has a bar
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress  # noqa: PLC0415

    description = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), description)
    with RichProgress(*columns, console=err) as bar:
        yield _ProgressBar(bar, total)


def _as_json(value: Any) -> str:
    return _escaped(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _escaped(text: str) -> str:
    """Return JSON with escapes for the control characters that it may hold as they are."""
    return _CONTROLS_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def print_json(value: Any) -> None:
    """Print one JSON value on stdout, indented, with Chinese characters unescaped."""
    sys.stdout.write(_as_json(value) + "\n")


def print_json_list(values: Iterable[Any]) -> int:
    """Print values as `print_json` prints a list, each as soon as it comes; return their number."""
    count = 0
    for value in values:
        count += 1
        sys.stdout.write(("[\n" if count == 1 else ",\n") + indent(_as_json(value), "  "))
    sys.stdout.write("\n]\n" if count else "[]\n")
    return count


class ReaderGone(Exception):
    """Whoever read standard output has closed it, as `head` does when it has enough."""


class _Stdout(io.FileIO):
    """Standard output whose failures are told from those of other files."""

    def write(self, data: Any) -> int:
        """Write. Raises ReaderGone, OutputError."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise ReaderGone from None
        except OSError as error:
            raise OutputError(error) from None


class _ClosedStdout(io.FileIO):
    """Stands for standard output where the process was started without one."""

    _is_reported = False

    def write(self, data: Any) -> int:
        """Raise OutputError the first time: what is printed is lost."""
        if self._is_reported:
            return len(data)
        self._is_reported = True
        raise OutputError(OSError(errno.EBADF, "it is closed"))


class _Stderr(io.FileIO):
    """Standard error, which nobody may be reading: a message that cannot be printed ends no command."""

    def write(self, data: Any) -> int:
        """Write, or pass over what cannot be written."""
        try:
            return super().write(data)
        except OSError:
            return len(data)


def protect_streams() -> None:
    """Make failures of standard output OutputError or ReaderGone, and ignore those of standard error."""
    missing = [stream for stream in ("stdin", "stdout", "stderr") if getattr(sys, stream) is None]
    for _ in missing:  # takes the free numbers, which files of the archive would get otherwise
        os.open(os.devnull, os.O_RDWR)
    out_type = _ClosedStdout if "stdout" in missing else _Stdout
    sys.stdout = _text_stream(out_type(1, "wb", closefd=False), sys.stdout)
    sys.stderr = _text_stream(_Stderr(2, "wb", closefd=False), sys.stderr, line_buffering=True)


def _text_stream(raw: io.FileIO, like: Any, *, line_buffering: bool = False) -> io.TextIOWrapper:
    encoding, errors = getattr(like, "encoding", "utf-8"), getattr(like, "errors", "backslashreplace")
    if (
        codecs.lookup(encoding).name == "ascii"
    ):  # LC_ALL=C with PYTHONUTF8=0: Chinese must not end the command
        encoding = "utf-8"
    line_buffering = line_buffering or raw.isatty()
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=line_buffering)


def discard_stdout() -> None:
    """Discard what standard output has not written yet: it would fail again at the end of the process."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a file number is needed
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def translated(code: str, **params: Any) -> str:
    """Return the words of a message code in the language of this process."""
    return Message(code, params).text(process_language())


def localized(message: Message | str) -> str:
    """Return a message in the language of this process; text may also be a message as it is stored."""
    return (Message.load(message) if isinstance(message, str) else message).text(process_language())


def label(prefix: str, value: str) -> str:
    """Return the words for a stored value, such as an outcome; the value itself where there are none.

    The words have the code `prefix` + `value`.
    """
    return template(f"{prefix}{value}", process_language()) or value


def set_up_log() -> None:
    """Write the log to stdout as the environment says, control characters as symbols.

    Raises CommandError for an unknown format or level.
    """
    from archive.system import log  # noqa: PLC0415 - only commands that run for long have a log

    level = os.environ.get(log.LEVEL_VARIABLE, "INFO").strip().upper()
    if level not in log.LEVELS:
        raise _unknown(log.LEVEL_VARIABLE, log.LEVELS)
    try:
        chosen = log.format_for(sys.stdout, os.environ)
    except ValueError:
        raise _unknown(log.FORMAT_VARIABLE, log.FORMATS) from None
    log.set_up_log(sys.stdout, chosen, level, _escaped if chosen == "json" else printable)


def _unknown(variable: str, known: Iterable[str]) -> CommandError:
    value = os.environ[variable]
    return CommandError(Message("mparchive.log.unknown", {"name": variable, "value": value, "known": known}))


def say(message: Message | str) -> None:
    """Print one sentence on stderr; text is printed as it is."""
    err.print(message if isinstance(message, str) else localized(message), markup=False)


def facts_table(facts: Mapping[str, str]) -> "Table":
    """Return a table with a name and a value on each line."""
    from rich.table import Table  # noqa: PLC0415 - a tenth of a command's start; not every command has one

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, printable(value))
    return table


def table_with(*headings: str) -> "Table":
    """Return an empty table without borders, which folds long words instead of cutting them."""
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def shortened(text: str) -> str:
    """Return the beginning of a text, for a table."""
    words = text.replace("\r", "\n").strip()
    return words if len(words) <= MAX_CELL else f"{words[:MAX_CELL]}…"


def report_failures(result: "ExportResult") -> Exit:
    """Print what could not be read or written, and return the exit code for it."""
    for failure in (*result.problems, *result.failures):
        say(localized(failure))
    if result.failed:
        say(Message("mparchive.export.not_written", {"n": result.failed}))
    if not result.missing:
        return Exit.PARTLY_FAILED if result.failed else Exit.DONE
    say(Message("mparchive.export.media_unreadable", {"n": result.missing}))
    return Exit.INTEGRITY if result.damaged else Exit.PARTLY_FAILED


_STYLES = {"same": "", "added": "underline green", "removed": "strike red"}

_MARKS = {"same": "{}", "added": "{{+{}+}}", "removed": "[-{}-]"}


def marked_text(pieces: Iterable["Piece"], coloured: bool) -> "Text":
    r"""Return a difference in colours or with marks; `\r` ends a line."""
    from rich.text import Text  # noqa: PLC0415 - as above

    shown = Text()
    for piece in pieces:
        text = piece.text if coloured else _MARKS[piece.kind].format(piece.text)
        shown.append(text.replace("\r", "\n"), _STYLES[piece.kind] if coloured else "")
    return shown
