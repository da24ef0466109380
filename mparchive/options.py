"""Types of command-line options."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from archive.domain.messages import Message
from archive.system.catalogues import catalogue, process_language
from mparchive.errors import CommandError

_ = catalogue("mparchive", process_language()).gettext  # the texts of --help

Json = Annotated[bool, typer.Option("--json", help=_("mparchive.help.json"))]

Account = Annotated[str | None, typer.Option(help=_("mparchive.help.account"))]

Since = Annotated[str | None, typer.Option(metavar="DAY", help=_("mparchive.help.since"))]

Until = Annotated[str | None, typer.Option(metavar="DAY", help=_("mparchive.help.until"))]

Week = Annotated[str | None, typer.Option(metavar="YYYY-Www", help=_("mparchive.help.week"))]

_LAST_TWO = ".."

_NO_VALUE = re.compile(r"-.*|\d+_\d+|.*[/?].*")  # another option, or the aid or address of the post


class OptionalDiffValue(TyperCommand):
    """A command whose --diff may stand alone and then compares the last two versions.

    Typer's own options always take a value.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the default value after a --diff without one."""
        complete = list(args)
        if "--diff" in complete:
            position = complete.index("--diff") + 1
            if position == len(complete) or _is_no_value(complete, position):
                complete.insert(position, _LAST_TWO)
        return super().parse_args(ctx, complete)


def _is_no_value(args: list[str], position: int) -> bool:
    """Tell whether the argument behind --diff is another option, or the post, named nowhere else."""
    if _NO_VALUE.fullmatch(args[position]):
        return True
    others = (index for index in range(len(args)) if index != position)
    return not any(not args[index].startswith("-") and args[index - 1] != "--account" for index in others)


class Format(StrEnum):
    """The formats of an export."""

    DUMP = "dump"
    JSONL = "jsonl"
    CSV = "csv"
    HTML = "html"
    MARKDOWN = "markdown"
    WARC = "warc"
    WACZ = "wacz"


_ENDINGS = {
    ".json": Format.DUMP,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".csv": Format.CSV,
    ".warc": Format.WARC,
    ".wacz": Format.WACZ,
}

_OF_POSTS = (Format.HTML, Format.MARKDOWN)  # written to a folder, whose name may end in anything


def format_of(form: Format | None, output: Path | None) -> Format:
    """Return the format of an export: the given one, else what the name of the file ends in, else a dump.

    Raises CommandError where the two contradict each other.
    """
    is_file = output is not None and not output.is_dir()
    name = output.name.lower().removesuffix(".gz") if output and is_file else ""
    ending = name[name.rfind(".") :] if "." in name else ""
    named = _ENDINGS.get(ending)
    if form and named and form is not named and form not in _OF_POSTS:
        params = {"format": form, "path": output, "named": named}
        raise CommandError(Message("mparchive.export.contradiction", params))
    return form or named or Format.DUMP
