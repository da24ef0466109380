"""What the documents say of commands, options and exit codes is what `mparchive --help` says."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from archive.integrity.checks import CHECK_NAMES
from mparchive.cli import app
from mparchive.errors import Exit
from mparchive.options import Format
from tests.docs.markdown import DOCUMENTS, READMES, fenced, named, rows, spans, told

GROUP = get_command(app)
assert isinstance(GROUP, TyperGroup)
OPTIONS = {
    name: {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    for name, command in GROUP.commands.items()
}
# What is written without a program before it and is of pip, zstd, docker and Chromium; --help is of all.
OTHERS = {"--help", "--host-resolver-rules", "--patch-from", "--profile", "--require-hashes", "--scale"}
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_command_that_is_written_can_be_given(document: Path) -> None:
    wrong = [
        f"{name} {option}"
        for name, options in given(told(document))
        for option in options or [""]
        if name not in OPTIONS or (option and option not in OPTIONS[name])
    ]
    assert wrong == []


def test_a_command_is_found_wherever_it_stands() -> None:
    text = "`A=1 mparchive verify --anew`\n```sh\nexec mparchive mparchive backup x --no-verify; y --z\n```\n"
    assert sorted(given(text)) == [("backup", ["--no-verify"]), ("verify", ["--anew"])]


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_option_that_is_written_is_one_of_some_command(document: Path) -> None:
    alone = {option for span in spans(told(document)) for option in _OPTION.findall(span)}
    assert alone - set().union(*OPTIONS.values()) - OTHERS == set()


@pytest.mark.parametrize("readme", READMES, ids=named)
def test_the_readmes_name_every_option_of_every_command_and_no_other(readme: Path) -> None:
    told_of: dict[str, set[str]] = {}
    for names, rest in commands_of(readme):
        for name in names:
            own = [span for span in spans(rest) if span.split()[0] == name]
            written = own if len(names) > 1 else spans(rest)
            told_of[name] = {option for span in written for option in _OPTION.findall(span)}
    assert told_of == OPTIONS


@pytest.mark.parametrize("readme", READMES, ids=named)
def test_the_readmes_name_every_format_of_an_export(readme: Path) -> None:
    (formats,) = re.findall(r"--format ([^\s`]+)`", told(readme))
    assert formats.split("\\|") == [form.value for form in Format]


@pytest.mark.parametrize("readme", READMES, ids=named)
def test_the_readmes_name_every_exit_code(readme: Path) -> None:
    (listed,) = re.findall(r"^(?:Exit codes: |退出码：)(.+?)[.。]$", told(readme), re.DOTALL | re.MULTILINE)
    assert [int(part.split()[0]) for part in listed.split("·")] == sorted(Exit)


def test_every_check_of_verify_is_described() -> None:
    (verify,) = [parameter for parameter in GROUP.commands["verify"].params if "--only" in parameter.opts]
    offered = re.findall(r"\w+", str(getattr(verify, "help", "")).partition(":")[2])
    described = [row[0].strip("`") for row in rows(told(DOCUMENTS[0].parent / "docs" / "integrity.md"))[1:]]
    assert sorted(described) == sorted(offered) == sorted(CHECK_NAMES)


def given(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each `mparchive NAME …` that is written as code, with its options."""
    for line in [*fenced(text), *spans(text)]:
        for name, rest in re.findall(r"(?:^|[ =])mparchive (?!mparchive )([a-z]+)\b([^|;&#)]*)", line):
            if name in OPTIONS or rest.lstrip().startswith("-"):
                yield name, _OPTION.findall(rest)


def commands_of(readme: Path) -> Iterator[tuple[list[str], str]]:
    """The rows of the table of commands: their names, and the cell behind."""
    for first, *others in rows(told(readme)):
        names = [span.split()[0] for span in spans(first)]
        if others and names and set(names) <= set(OPTIONS):
            yield names, others[0]
