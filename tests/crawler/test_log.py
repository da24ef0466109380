"""Log lines of a crawl keep their stable words, hold no secret, and have an event beside them."""

import logging
import os
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from archive.domain.errors import DatabaseUnavailable
from archive.domain.messages import Message
from archive.system.log import add_to_every_line
from crawler import log
from crawler.process.entry import (
    PROGRESS_VARIABLE,
    CrawlError,
    PageDone,
    ProgressEvent,
    RunStarted,
    decode_event,
)


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


def test_a_page_is_one_line_and_one_event(heard: Heard) -> None:
    page = PageDone(3, outcome="article", stored="new", aid="1_1", title="a title")
    with capture_logs() as lines:
        log.page_fetched(page)
    fields = {"done": 3, "outcome": "article", "stored": "new", "aid": "1_1", "title": "a title"}
    sentence = Message("crawler.log.new", {"title": "a title", "aid": "1_1"})
    assert lines == [{"event": sentence, "action": "fetched", "log_level": "info", **fields}]
    assert heard.events() == [page]


def test_a_page_that_brought_nothing_new_is_no_sentence(heard: Heard) -> None:
    with capture_logs() as lines:
        log.page_fetched(PageDone(3, outcome="article", stored="unchanged", aid="1_1"))
    assert [line["event"] for line in lines] == ["fetched"]


def test_a_page_that_failed_is_a_warning(heard: Heard) -> None:
    with capture_logs() as lines:
        log.page_failed(PageDone(1, reason="no answer"))
    assert [(line["log_level"], line["action"], str(line["reason"])) for line in lines] == [
        ("warning", "failed", "no answer")
    ]
    assert len(heard.events()) == 1


def test_events_do_not_depend_on_the_log_level(heard: Heard) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        log.run_started(7, 3)
    finally:
        structlog.reset_defaults()
        add_to_every_line(run=None)
    assert heard.events() == [RunStarted(7, 3)]


def test_an_error_of_ours_is_handed_over_by_its_code(heard: Heard) -> None:
    log.crawl_failed("database_failed", DatabaseUnavailable("archive.verbatim", text="gone"))
    assert heard.events() == [CrawlError('archive.verbatim {"text": "gone"}')]


def test_an_error_of_a_library_is_handed_over_by_its_first_line(heard: Heard) -> None:
    with capture_logs() as lines:
        log.crawl_failed("database_failed", OSError("no room\nat all"))
    assert [(line["action"], line["reason"]) for line in lines] == [("database_failed", "no room")]
    assert heard.events() == [CrawlError("no room")]
