"""Pages over the bounds of time and memory, or that kill the process that parses them."""

import os
import signal
import time

import pytest

from archive.domain.captures import CaptureData
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from crawler.worker.page_parser import PageParser, parse_within_bounds
from tests.archive.making import NOW
from tests.crawler import pages


def _parse_or_fail(capture: CaptureData) -> ParsedPage:
    """Parse like a parser that some pages break."""
    if capture.body == b"hangs":
        time.sleep(600)
    if capture.body == b"kills":
        os.kill(os.getpid(), signal.SIGKILL)
    if capture.body == b"fills":
        raise MemoryError
    return parse_within_bounds(capture)


@pytest.mark.slow
def test_a_page_over_its_bounds_is_unreadable_and_the_next_one_is_parsed() -> None:
    def capture(body: bytes) -> CaptureData:
        return CaptureData("", "", 200, (), body, NOW)

    with PageParser(0.2, _parse_or_fail) as parser:
        assert "crawler.parse.too_slow" in parser.parse(capture(b"hangs")).reason
    with PageParser(60, _parse_or_fail) as parser:
        killed = parser.parse(capture(b"kills"))
        assert (killed.outcome, killed.is_unreadable) == (Outcome.UNKNOWN, True)
        assert parser.parse(capture(pages.article(7))).outcome is Outcome.ARTICLE
