"""Events of a crawl, written as lines of JSON and read back; and the process that crawls are forked from."""

import os
import subprocess
import sys

import pytest

from crawler.process.entry import (
    PROGRESS_VARIABLE,
    CrawlError,
    PageDone,
    ProgressEvent,
    RunStarted,
    SourceChecked,
    decode_event,
    emit,
    encode_event,
)

EVENTS: list[ProgressEvent] = [
    RunStarted(7, 3),
    PageDone(3, outcome="article", aid="1_1", reason='a "b"\n文'),
    SourceChecked("album:1", "ok", True, seen=2, newest="2025-11-20T04:00:00+00:00"),
    CrawlError('archive.verbatim {"text": "x"}'),
]


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_is_one_line_and_read_back_as_it_was(event: ProgressEvent) -> None:
    line = encode_event(event)
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")
    assert decode_event(line) == event


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"3", b'{"event": "page"}', b'{"event": "none"}'])
def test_half_a_line_or_another_one_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="not a line of progress"):
        decode_event(line)


def test_events_go_to_the_descriptor_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setenv(PROGRESS_VARIABLE, str(writing))
    for event in EVENTS:
        emit(event)
    os.close(writing)
    with os.fdopen(reading, "rb") as lines:
        assert [decode_event(line) for line in lines] == EVENTS


def test_a_crawl_goes_on_when_its_listener_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setenv(PROGRESS_VARIABLE, str(writing))
    emit(EVENTS[0])
    os.close(writing)


def test_a_crawl_that_nobody_started_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROGRESS_VARIABLE, raising=False)
    emit(EVENTS[0])


INTERRUPTED_START = """
import os, signal, sys, threading
from crawler.process import entry

if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: None)
    entry.start_fork_server()
    process = entry.FORK_SERVER.Process(target=print, args=("forked",))
    starting = threading.Thread(target=process.start)
    starting.start()
    while starting.is_alive():
        os.killpg(0, signal.SIGINT)
        starting.join(0.01)
    process.join()
    sys.exit(process.exitcode)
"""


def test_ctrl_c_does_not_end_the_process_that_crawls_are_forked_from() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_START],
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "forked\n", "")
