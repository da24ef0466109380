"""Types of command-line options."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from archive.domain.messages import Message
from archive.domain.outcomes import PostMark
from archive.system.catalogues import catalogue, process_language
from archive.system.files import FileWriteError
from mparchive.console import printable
from mparchive.errors import CommandError

_ = catalogue("mparchive", process_language()).gettext  # the texts of --help

Json = Annotated[bool, typer.Option("--json", help=_("mparchive.help.json"))]

Account = Annotated[str | None, typer.Option(help=_("mparchive.help.account"))]

Biz = Annotated[str | None, typer.Option("--account", help=_("mparchive.help.show.account"))]

Since = Annotated[str | None, typer.Option(metavar="DAY", help=_("mparchive.help.since"))]

Until = Annotated[str | None, typer.Option(metavar="DAY", help=_("mparchive.help.until"))]

Changed = Annotated[PostMark | None, typer.Option(help=_("mparchive.help.changed"))]

Limit = Annotated[int | None, typer.Option("--limit", "-n", min=1, help=_("mparchive.help.limit"))]

Week = Annotated[str | None, typer.Option(metavar="YYYY-Www", help=_("mparchive.help.week"))]

_LAST_TWO = ".."

_NO_VALUE = re.compile(r"-.*|\d+_\d+|.*[/?].*")  # another option, or the aid or address of the post


def _with_value(args: list[str], option: str, value: str, is_value: Callable[[str], object]) -> list[str]:
    """Insert a value after an option that stands alone: typer's own options always take one."""
    options = args[: args.index("--")] if "--" in args else args
    if option not in options:
        return args
    place = args.index(option) + 1
    if place < len(args) and is_value(args[place]):
        return args
    return [*args[:place], value, *args[place:]]


class OptionalDiffValue(TyperCommand):
    """A command whose --diff may stand alone and then compares the last two versions."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the default value after a --diff without one."""
        complete = _with_value(args, "--diff", _LAST_TWO, lambda given: not _is_no_value(args, given))
        return super().parse_args(ctx, complete)


def _is_no_value(args: list[str], given: str) -> bool:
    """Tell whether the argument behind --diff is another option, or the post, named nowhere else."""
    if _NO_VALUE.fullmatch(given):
        return True
    others = (index for index in range(len(args)) if index != args.index("--diff") + 1)
    return not any(not args[index].startswith("-") and args[index - 1] != "--account" for index in others)


class OptionalChangedValue(TyperCommand):
    """A command whose --changed may stand alone and then selects every post that changed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the default value after a --changed without one."""
        complete = _with_value(args, "--changed", PostMark.ANY, lambda given: given in list(PostMark))
        return super().parse_args(ctx, complete)


_EXCLUSION = re.compile(r"-[^-].+", re.DOTALL)
_COUNT = re.compile(r"-n=?[0-9]+")  # as in -n5: how many matches, not a word
_SHORT = re.compile(r"-[A-Za-z]")


class SearchWords(OptionalChangedValue):
    """The command of a search: -word excludes a word, what looks like an option is one, -- ends the options.

    After -- every argument is a word, also one that begins with two dashes.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move the excluded words behind --, where no option is looked for.

        Raises CommandError for an argument that looks like an option but is none.
        """
        end = args.index("--") if "--" in args else len(args)
        options, words = args[:end], [_quoted(word) for word in args[end + 1 :]]
        known = {
            name
            for parameter in self.get_params(ctx)
            for name in (*parameter.opts, *parameter.secondary_opts)
        }
        for option in options:
            name = option.partition("=")[0]
            looks_like_one = option.startswith("--") or _SHORT.fullmatch(option)
            if looks_like_one and name not in known:
                raise CommandError(Message("mparchive.search.no_such_option", {"option": option}))
        excluded = [one for one in options if _EXCLUSION.fullmatch(one) and not _COUNT.fullmatch(one)]
        others = [one for one in options if one not in excluded]
        return super().parse_args(ctx, [*others, "--", *excluded, *words])


def _quoted(word: str) -> str:
    """Return a word as a phrase where the query would read its first dash as an exclusion of the rest."""
    return f'"{word}"' if word.startswith("--") and '"' not in word else word


_AS_JSON = ("summary", "history", "diff", "version")  # views of `show` that are also printed as JSON


def chosen_view(views: Mapping[str, bool], as_json: bool) -> str:
    """Return the view of `show` that is on, else summary. Raises CommandError when there are two."""
    chosen = [name for name, is_on in views.items() if is_on] or ["summary"]
    if as_json and chosen[0] not in _AS_JSON:
        chosen.append("json")
    if len(chosen) > 1:
        params = {"first": f"--{chosen[0]}", "second": f"--{chosen[1]}"}
        raise CommandError(Message("mparchive.show.exclusive", params))
    return chosen[0]


_COMPLETION = ("install_completion", "show_completion")


class CheckedGroup(TyperGroup):
    """The commands of the program. An option with an empty value, as of an unset variable, is an error.

    Errors of usage quote what was typed with symbols for control characters.
    """

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Parse the options of the program itself."""
        with _symbols_in_errors():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Parse and run the command."""
        with _symbols_in_errors():
            return super().invoke(ctx)

    def get_params(self, ctx: Any) -> Any:
        """Return the options of the program; typer has the texts of its own in English only."""
        parameters: list[Any] = super().get_params(ctx)
        for parameter in parameters:
            if parameter.name in _COMPLETION:
                parameter.help = _(f"mparchive.help.{parameter.name}")
        return parameters

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command and check the values of its options. Raises CommandError."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            _check_values(rest, {one for option in command.params for one in _valued(option)})
        return name, command, rest


@contextmanager
def _symbols_in_errors() -> Iterator[None]:
    """Replace control characters in the messages of typer's errors, which typer prints itself."""
    try:
        yield
    except Exception as error:
        if isinstance(text := getattr(error, "message", None), str):
            with suppress(AttributeError):  # of a library that lets nobody change it
                error.message = printable(text)  # type: ignore[attr-defined]
        raise


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
    XLSX = "xlsx"
    SQLITE = "sqlite"
    PARQUET = "parquet"
    HTML = "html"
    MARKDOWN = "markdown"
    TXT = "txt"
    PDF = "pdf"
    EPUB = "epub"
    DOCX = "docx"
    WARC = "warc"
    WACZ = "wacz"


_ENDINGS = {
    ".json": Format.DUMP,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".csv": Format.CSV,
    ".xlsx": Format.XLSX,
    ".sqlite": Format.SQLITE,
    ".sqlite3": Format.SQLITE,
    ".db": Format.SQLITE,
    ".parquet": Format.PARQUET,
    ".txt": Format.TXT,
    ".pdf": Format.PDF,
    ".epub": Format.EPUB,
    ".docx": Format.DOCX,
    ".warc": Format.WARC,
    ".wacz": Format.WACZ,
}

_OF_POSTS = (Format.HTML, Format.MARKDOWN, Format.TXT)  # written to a folder, whose name may end in anything


def format_of(form: Format | None, output: Path | None) -> Format:
    """Return the format of an export: the given one, else what the name of the file ends in, else a dump.

    Raises CommandError where the two contradict each other.
    """
    is_file = output is not None and not output.is_dir()
    name = output.name.lower().removesuffix(".gz") if output and is_file else ""
    ending = name[name.rfind(".") :] if "." in name else ""
    named = _ENDINGS.get(ending)
    if named is Format.TXT and form in (None, Format.TXT):
        raise CommandError(Message("mparchive.export.needs_folder", {"format": Format.TXT}))
    if form and named and form is not named and not {form, named} & set(_OF_POSTS):
        params = {"format": form, "path": output, "named": named}
        raise CommandError(Message("mparchive.export.contradiction", params))
    return form or named or Format.DUMP
