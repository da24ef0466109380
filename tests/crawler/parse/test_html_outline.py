"""Pages saved in other encodings are read where they tell theirs; else they are unknown, never garbled."""

import pytest

from archive.domain.outcomes import Outcome
from crawler.parse.page import read_page
from tests.crawler.parse.made import page

WORDS = "中文，公告"


def saved(encoding: str, declared: str) -> bytes:
    served = page(f"<p>{WORDS * 20}</p>").decode()
    simple = served.replace("题", "標").replace("号", "名").replace("utf-8", declared)
    return simple.encode(encoding)


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [("utf-8", "utf-8"), ("utf-8", "gb2312"), ("gb18030", "gbk"), ("gb18030", "utf-8"), ("big5", "big5")],
)
def test_a_page_in_an_encoding_of_chinese_that_it_tells(encoding: str, declared: str) -> None:
    record = read_page(saved(encoding, declared)).record
    assert record is not None
    assert (record.title, record.text) == ("標", WORDS * 20 + "\r")


@pytest.mark.parametrize(("encoding", "declared"), [("big5", "iso-8859-1"), ("gb18030", "euc-kr")])
def test_a_page_in_an_encoding_that_it_does_not_tell_is_unknown(encoding: str, declared: str) -> None:
    reading = read_page(saved(encoding, declared))
    assert reading.outcome is Outcome.UNKNOWN
    assert reading.reason == "crawler.parse.garbled"


def test_a_few_broken_characters_leave_a_page_what_it_is() -> None:
    served = saved("utf-8", "utf-8")
    broken = served.replace(WORDS.encode(), WORDS.encode() + b"\xe5", 3)
    assert read_page(broken).outcome is Outcome.ARTICLE
