"""Posts that give orders to a terminal: the command shows them as signs, and passes data on exactly."""

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from archive.domain.records import FIELDS
from tests.acceptance.command import EXECUTABLE, TIMEOUT, Command
from tests.archive.making import record

EVIL = "合\x1b]52;c;ZXZpbA==\x07成\x1b[2J\x9b31m\u202e文\x7f"
ORDERS = ("\x1b", "\x07", "\x9b", "\u202e", "\x7f")


@pytest.fixture
def archive(mparchive: Command, tmp_path: Path) -> Command:
    dump = tmp_path / "posts.json"
    records = [record(n, title=EVIL, text=f"工业 {EVIL}\r").as_dict() for n in (1, 2)]
    dump.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    assert mparchive("backfill", dump, "--no-fetch").code == 0
    return mparchive


def on_a_terminal(command: Command, *arguments: str) -> bytes:
    """Return what the command writes to a terminal, with its errors."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [EXECUTABLE, *arguments],
        env={**command.environment, "TERM": "xterm-256color"},
        cwd=command.home,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux says so that the other end is closed
                break
            if not piece:
                break
            written += piece
        process.wait(TIMEOUT)
    os.close(ours)
    return written


def test_no_order_of_a_post_reaches_a_pipe(archive: Command, tmp_path: Path) -> None:
    for arguments, shows_a_title in (
        (("search", "工业"), True),
        (("show", "1001_1"), True),
        (("show", "1001_1", "--history"), False),
        (("show", f"no {EVIL}"), True),
        (("status",), False),
        (("audit",), False),
        (("backfill", str(tmp_path / "posts.json"), "--no-fetch", "--dry-run"), True),
    ):
        done = archive(*arguments)
        said = done.out.decode() + done.err
        assert not [order for order in ORDERS if order in said], arguments
        if shows_a_title:
            assert "␛]52;c;ZXZpbA==" in said, arguments
            assert "␛[2J\\x9b31m\\u202e" in said, arguments


def test_nor_a_terminal_where_there_are_colours(archive: Command) -> None:
    for arguments in (("search", "工业"), ("show", "1001_1")):
        written = on_a_terminal(archive, *arguments)
        assert b"\x1b[1" in written  # of our own
        assert "␛]52;c;ZXZpbA==".encode() in written
        for order in ("\x1b]52", "\x1b[2J", "\x9b", "\u202e"):
            assert order.encode() not in written


def test_what_is_asked_for_as_data_is_exact(archive: Command) -> None:
    assert archive("show", "1001_1", "--text").out.decode().startswith(f"工业 {EVIL}\n")
    shown = archive("show", "1001_1", "--json")
    assert not [order for order in ORDERS if order in shown.out.decode()]
    assert shown.json["post"][FIELDS[1]] == EVIL


def test_parse_shows_a_title_of_a_page_as_signs(mparchive: Command, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<html><head><title>{EVIL}</title></head><body>{EVIL}</body></html>", encoding="utf-8")
    done = mparchive("parse", page)
    said = done.out.decode() + done.err
    assert not [order for order in ORDERS if order in said]


def test_what_was_typed_is_quoted_with_symbols(mparchive: Command) -> None:
    for arguments in (
        (EVIL,),
        (f"--{EVIL}",),
        ("list", EVIL),
        ("list", "--sort", EVIL),
        ("search", f"--{EVIL}"),
        ("export", "--since", EVIL),
        ("verify", "--only", EVIL),
        ("restore", EVIL),
    ):
        done = mparchive(*arguments)
        said = done.out.decode() + done.err
        assert done.code == 2, arguments
        assert not [order for order in ORDERS if order in said], arguments
        assert "52;c;ZXZpbA" in said, arguments
    written = on_a_terminal(mparchive, "list", EVIL)
    assert b"\\u202e" in written
    assert not [order for order in ("\x1b]52", "\x1b[2J", "\x9b", "\u202e") if order.encode() in written]
