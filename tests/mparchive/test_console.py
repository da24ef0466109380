"""What is shown of other people's words is these words."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

from mparchive import console
from mparchive.crawl import RunSummary

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
    for written, times in ((ended.stdout, 2), (ended.stderr, 1)):
        assert not [order for order in "\x07\x9b\u202e" if order in written]
        assert "\x1b]" not in written
        assert written.count("a␛]52;c;x␇\\x9b\\u202e") == times
