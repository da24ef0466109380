"""Pages of which one part is in another encoding than the rest."""

import pytest

from archive.domain.messages import Message
from archive.domain.outcomes import Outcome
from crawler.parse.page import read_page
from tests.crawler.parse.made import page

BODY = "<p>第一段，说的是产业政策。</p><p>第二段，说的是申报时间。</p>"


@pytest.mark.parametrize("first", ["utf-8", "gb18030"])
@pytest.mark.parametrize("part", ["</p><p>", "号"])
def test_a_page_of_two_encodings_is_no_article(first: str, part: str) -> None:
    served = page(BODY).decode()
    middle = served.index(part)
    second = "gb18030" if first == "utf-8" else "utf-8"
    reading = read_page(served[:middle].encode(first) + served[middle:].encode(second))
    assert reading.outcome is Outcome.UNKNOWN
    if first == "utf-8":  # else most of it may be in neither
        assert reading.reason == Message("crawler.parse.two_encodings").dump()


def test_a_whole_page_in_gb18030_is_read() -> None:
    assert read_page(page(BODY).decode().encode("gb18030")).outcome is Outcome.ARTICLE


def test_a_single_broken_character_is_no_second_encoding() -> None:
    served = page(BODY).replace("第二段".encode(), "第二段".encode() + b"\xe5")
    assert read_page(served).outcome is Outcome.ARTICLE
