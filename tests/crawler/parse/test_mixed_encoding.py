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


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_a_whole_page_in_utf_16_is_read(encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    reading = read_page((mark + page(BODY).decode()).encode(encoding))
    assert reading.record is not None
    assert reading.record == read_page(page(BODY)).record


def test_a_single_broken_character_is_no_second_encoding() -> None:
    served = page(BODY).replace("第二段".encode(), "第二段".encode() + b"\xe5")
    assert read_page(served).outcome is Outcome.ARTICLE


@pytest.mark.parametrize("taken_for", ["latin-1", "cp1252", "gb18030"])
def test_utf_8_that_a_tool_took_for_another_encoding_is_no_article(taken_for: str) -> None:
    served = page(BODY, "var copyright = '版权所有，不得转载';")
    garbled = served.decode(taken_for, "replace").encode()
    reading = read_page(garbled)
    assert (reading.outcome, reading.reason) == (
        Outcome.UNKNOWN,
        Message("crawler.parse.garbled").dump(),
    )


@pytest.mark.parametrize(
    "words",
    ["«ÀÉÈÊ» — Ã©tÃ© été, naïve façade", "한국어로 쓴 글입니다。", "รายงานประจำปีของบริษัท", "Ответ: «да»…"],
)
def test_words_of_other_languages_are_not_taken_for_garbled_chinese(words: str) -> None:
    reading = read_page(page(f"<p>{words}</p>"))
    assert reading.record is not None
    assert reading.record.text == f"{words}\r"
