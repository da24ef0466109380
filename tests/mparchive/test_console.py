"""What is shown of other people's words is these words."""

import io
import json
import subprocess
import sys

import pytest
from rich.console import Console

from mparchive import console
from mparchive.console import set_up_log
from mparchive.crawl import RunSummary
from mparchive.errors import CommandError

WORDS = "[/合成] [red]a :x: [1]"


def test_brackets_and_colons_in_a_text_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    summary = RunSummary()
    summary.add("unknown", reason=WORDS)
    console.out.print(summary.table())
    console.out.print(console.facts_table({"title": WORDS}))
    console.say(WORDS)
    said = capsys.readouterr()
    assert (said.out.count(WORDS), said.err) == (2, f"{WORDS}\n")


def test_so_they_are_beside_a_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=200)
    monkeypatch.setattr(console, "err", terminal)
    with console.steps(1) as steps:
        steps.step(WORDS, 1)
    assert WORDS in shown.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb\x07\x00\r", "a␛[31mb␇␀␍"),
        ("\x9b31m\x85", "\\x9b31m\\x85"),
        ("\x7f\u202e\u2066", "␡\\u202e\\u2066"),
        ("\ud800", "\\ud800"),
        ("合成\t😀 é\n", "合成\t😀 é\n"),
    ],
)
def test_orders_to_a_terminal_are_shown_as_signs(text: str, shown: str) -> None:
    assert console.printable(text) == shown
    assert console.printable(shown) == shown


PRINTING = """
import sys
from mparchive.cli import main
from mparchive.console import print_json, out
import mparchive.cli as cli
def work():
    print_json({"words": "x" * int(sys.argv[1])})
    out.print("end")
cli.app = work
main()
"""


def print_to(stdout: str, size: int = 10) -> tuple[int, str]:
    """Run a command that prints, with stdout as the shell opens it; return exit code and stderr."""
    command = f'"$0" -c "$1" {size} {stdout}'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable, PRINTING], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("size", [10, 1_000_000])
@pytest.mark.parametrize(
    ("stdout", "reason"), [("> /dev/full", "no space left on device"), (">&-", "it is closed")]
)
def test_output_that_cannot_be_written_is_one_sentence_and_exit_code_2(
    stdout: str, reason: str, size: int
) -> None:
    assert print_to(stdout, size) == (2, f"standard output cannot be written: {reason}\n")


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_a_reader_that_has_enough_ends_the_command_without_a_word(size: int) -> None:
    assert print_to("| true; exit ${PIPESTATUS[0]}", size) == (0, "")


@pytest.mark.parametrize("stderr", ["2> /dev/full", "2>&-"])
def test_a_message_that_cannot_be_printed_ends_no_command(stderr: str) -> None:
    program = "from mparchive.console import protect_streams, say; protect_streams(); say('a'); print('done')"
    command = ["bash", "-c", f'"$0" -c "$1" {stderr}', sys.executable, program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n")


_LOGS = r"""
import logging, structlog
from mparchive.console import set_up_log
set_up_log()
set_up_log()
evil = "a\x1b]52;c;x\x07\x9b\u202e"
structlog.get_logger().warning(f"said {evil}", action="x", reason=evil, many=[evil])
logging.getLogger("library").warning("said %s", evil)
"""


def test_log_lines_show_them_as_signs_too() -> None:
    ended = subprocess.run([sys.executable, "-c", _LOGS], capture_output=True, check=True, encoding="utf-8")
    assert ended.stderr == ""
    own, of_library = map(json.loads, ended.stdout.splitlines())
    assert not [sign for sign in "\x1b\x07\x9b\u202e" if sign in ended.stdout]  # only as escapes of JSON
    shown = "a\x1b]52;c;x\x07\x9b\u202e"
    assert (own["message"], own["event"]) == (f"said {shown}", "x")
    assert (own["reason"], own["many"]) == (shown, [shown])
    assert (of_library["message"], of_library["logger"]) == (f"said {shown}", "library")


@pytest.mark.parametrize(
    ("variable", "value"), [("MPARCHIVE_LOG_FORMAT", "xml"), ("MPARCHIVE_LOG_LEVEL", "LOUD")]
)
def test_an_unknown_format_or_level_of_the_log_is_refused(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(CommandError, match=f"{variable}.*{value}"):
        set_up_log()


def test_nothing_is_shown_or_counted_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    def count() -> int:
        raise AssertionError("a count takes time")

    with console.terminal_steps(count) as steps:
        steps.step(WORDS, 1)
    assert capsys.readouterr() == ("", "")
