"""Log lines of a crawl keep their stable words, hold no secret, and have an event beside them."""

import logging
import os
from collections.abc import Iterator

import pytest

from archive.domain.errors import DatabaseUnavailable
from crawler import log
from crawler.process.entry import (
    PROGRESS_VARIABLE,
    CrawlError,
    PageDone,
    ProgressEvent,
    RunStarted,
    decode_event,
)
from crawler.redaction import register_secret


class Heard:
    """Everything that was written to the pipe so far."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def events(self) -> list[ProgressEvent]:
        return [decode_event(line) for line in os.read(self._descriptor, 65536).splitlines()]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    reading, writing = os.pipe()
    monkeypatch.setenv(PROGRESS_VARIABLE, str(writing))
    yield Heard(reading)
    os.close(reading)
    os.close(writing)


@pytest.fixture(autouse=True)
def at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "crawler")


def test_a_page_is_one_line_and_one_event(caplog: pytest.LogCaptureFixture, heard: Heard) -> None:
    page = PageDone(3, outcome="article", stored="new", aid="1_1")
    log.page_fetched(page)
    assert caplog.messages == ['action=fetched done=3 outcome="article" stored="new" aid="1_1"']
    assert heard.events() == [page]


def test_a_page_that_failed_is_a_warning(caplog: pytest.LogCaptureFixture, heard: Heard) -> None:
    log.page_failed(PageDone(1, reason="no answer"))
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("WARNING", 'action=failed done=1 reason="no answer"')
    assert len(heard.events()) == 1


def test_events_do_not_depend_on_the_log_level(caplog: pytest.LogCaptureFixture, heard: Heard) -> None:
    caplog.set_level(logging.CRITICAL, "crawler")
    log.run_started(7, 3)
    assert (caplog.messages, heard.events()) == ([], [RunStarted(7, 3)])


def test_an_error_of_ours_is_handed_over_by_its_code(heard: Heard) -> None:
    log.crawl_failed("database_failed", DatabaseUnavailable("archive.verbatim", text="gone"))
    assert heard.events() == [CrawlError('archive.verbatim {"text": "gone"}')]


def test_an_error_of_a_library_is_handed_over_by_its_first_line(
    caplog: pytest.LogCaptureFixture, heard: Heard
) -> None:
    log.crawl_failed("database_failed", OSError("no room\nat all"))
    assert caplog.messages == ["action=database_failed reason=no room"]
    assert heard.events() == [CrawlError("no room")]


def test_no_secret_is_written_by_any_library() -> None:
    register_secret("hush-hush-secret")
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "asked with %s", ("hush-hush-secret",), None)
    assert log.ScrubbingFilter().filter(record)
    assert "hush" not in record.getMessage()
