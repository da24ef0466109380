"""Tests that documents and `mparchive --help` agree on commands, options, formats and exit codes."""

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
from tests.docs.markdown import DOCS, DOCUMENTS, READMES, fenced, name_of, rows, spans, text_of

GROUP = get_command(app)
assert isinstance(GROUP, TyperGroup)
OPTIONS = {
    name: {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    for name, command in GROUP.commands.items()
}
# Options of typer, pip, zstd, docker, Chromium, pg_dump and scripts in bin/; --help belongs to every command.
OTHER_OPTIONS = {
    "--check", "--format=plain", "--help", "--host-resolver-rules", "--install-completion", "--patch-from",
    "--profile", "--require-hashes", "--scale", "--version",
}  # fmt: skip
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_command_in_a_document_exists(document: Path) -> None:
    wrong = [
        f"{name} {option}"
        for name, options in command_lines(text_of(document))
        for option in options or [""]
        if name not in OPTIONS or (option and option not in OPTIONS[name])
    ]
    assert wrong == []


def test_command_lines_are_found_in_spans_and_blocks() -> None:
    text = "`A=1 mparchive verify --anew`\n```sh\nexec mparchive mparchive backup x --no-verify; y --z\n```\n"
    assert sorted(command_lines(text)) == [("backup", ["--no-verify"]), ("verify", ["--anew"])]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_option_in_a_document_belongs_to_a_command(document: Path) -> None:
    found = {option for span in spans(text_of(document)) for option in _OPTION.findall(span)}
    known = set().union(*OPTIONS.values()) | {option.partition("=")[0] for option in OTHER_OPTIONS}
    assert found - known == set()


@pytest.mark.parametrize("readme", READMES, ids=name_of)
def test_the_readmes_name_every_option_of_every_command_and_no_other(readme: Path) -> None:
    listed: dict[str, set[str]] = {}
    for names, rest in command_rows(readme):
        for name in names:
            own = [span for span in spans(rest) if span.split()[0] == name]
            written = own if len(names) > 1 else spans(rest)
            listed[name] = {option for span in written for option in _OPTION.findall(span)}
    assert listed == OPTIONS


@pytest.mark.parametrize("readme", READMES, ids=name_of)
def test_the_readmes_name_every_export_format(readme: Path) -> None:
    (row,) = [rest for names, rest in command_rows(readme) if names == ["export"]]
    (formats,) = re.findall(r"--format ([^\s`]+)`", row)
    assert formats.split("\\|") == [one.value for one in Format]


@pytest.mark.parametrize("readme", READMES, ids=name_of)
def test_the_readmes_name_every_exit_code(readme: Path) -> None:
    (listed,) = re.findall(
        r"^(?:Exit codes: |退出码：)(.+?)[.。]$", text_of(readme), re.DOTALL | re.MULTILINE
    )
    assert [int(part.split()[0]) for part in listed.split("·")] == sorted(Exit)


def test_every_check_of_verify_is_described() -> None:
    (only,) = [parameter for parameter in GROUP.commands["verify"].params if "--only" in parameter.opts]
    offered = re.findall(r"\w+", str(getattr(only, "help", "")).partition(":")[2])
    checks = text_of(DOCS / "reference" / "integrity.md").partition("\n## ")[0]
    described = [row[0].strip("`") for row in rows(checks)[1:]]
    assert sorted(described) == sorted(offered) == sorted(CHECK_NAMES)


def command_lines(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each `mparchive NAME …` in code, with its options."""
    for line in [*fenced(text), *spans(text)]:
        for name, rest in re.findall(
            r"(?:^|[ =])mparchive (?!mparchive )([a-z]+(?:-[a-z]+)*)\b([^|;&#)]*)", line
        ):
            if name in OPTIONS or rest.lstrip().startswith("-"):
                yield name, _OPTION.findall(rest)


def command_rows(readme: Path) -> Iterator[tuple[list[str], str]]:
    """Yield the rows of the table of commands: the commands, and the text of the second cell."""
    for first, *others in rows(text_of(readme)):
        names = [span.split()[0] for span in spans(first)]
        if others and names and set(names) <= set(OPTIONS):
            yield names, others[0]
