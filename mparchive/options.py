"""Types of command-line options."""

import re
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup

from archive.domain.messages import Message
from archive.system.files import FileWriteError
from mparchive.errors import CommandError

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


class CheckedGroup(TyperGroup):
    """The commands of the program. An option with an empty value, as of an unset variable, is an error."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command and check the values of its options. Raises CommandError."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            _check_values(rest, {one for option in command.params for one in _valued(option)})
        return name, command, rest


def _valued(parameter: Any) -> list[str]:
    """Return the names of an option that takes a value."""
    is_option = parameter.param_type_name == "option" and not getattr(parameter, "is_flag", False)
    return list(parameter.opts) if is_option else []


def _check_values(args: list[str], valued: set[str]) -> None:
    for option, value in pairwise([*args, "-"]):
        if option == "--":
            return
        name, equals, given = option.partition("=")
        if name in valued and not (given if equals else value).strip():
            raise CommandError(Message("mparchive.error.empty_value", {"option": name}))


def export_target(output: str | None) -> Path | None:
    """Return what an export is written to; a name that ends in a slash is that of a folder, which is made.

    Raises FileWriteError.
    """
    if output is None:
        return None
    path = Path(output)
    if output.endswith("/"):
        make_folder(path, output)
    try:
        path.is_dir()  # raises OSError for a name that no file can have
    except OSError as error:
        raise FileWriteError(error.errno, error.strerror, output) from None
    return path


def make_folder(path: Path, name: str = "") -> None:
    """Make a folder and those above it; `name` is what the error calls it. Raises FileWriteError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileWriteError(error.errno, error.strerror, name or str(path)) from None


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
