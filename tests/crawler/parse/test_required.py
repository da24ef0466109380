"""Pages of posts that lack a field: what they say elsewhere is taken, and what is missing is named."""

import re

import pytest

from archive.domain.messages import Message
from archive.domain.outcomes import Kind, Outcome
from crawler.parse.page import read_page
from tests.crawler.parse.made import BIZ, js, page

URL = f"https://mp.weixin.qq.com/s?__biz={BIZ}&mid=21&idx=1&sn=ab&chksm=cd"


def _unscripted(
    shown: str = "2025年9月1日 00:05", head: str = "", body: str = "<p>字</p>", end: str = "</html>"
) -> bytes:
    """Return a page saved by a tool that takes the scripts out."""
    return f"""<!DOCTYPE html><html><!--
 Page saved with SingleFile
 url: {URL}
 saved date: Mon Sep 08 2025 11:00:00 GMT+0800
--><head><meta charset="utf-8"><meta property="og:title" content="题">{head}</head><body>
<div id="js_article"><h1 id="activity-name">题</h1><a id="js_name">号</a><em id="publish_time">{shown}</em>
<div id="js_content">{body}</div></div></body>{end}""".encode()


def _missing(served: bytes) -> list[str]:
    reading = read_page(served)
    assert (reading.outcome, reading.record) == (Outcome.UNKNOWN, None)
    message = Message.load(reading.reason)
    assert message.code == "crawler.parse.article_without"
    named = [field.code.rpartition(".")[2] for field in message.params["fields"]]
    assert reading.page["missing"] == named
    return named


def test_a_page_without_scripts_has_its_address_in_a_comment_and_its_date_in_what_it_shows() -> None:
    reading = read_page(_unscripted())
    assert reading.record is not None, reading.reason
    assert (reading.record.aid, reading.record.date, reading.record.account) == ("21_1", "2025-09-01", "号")
    assert "chksm=cd" in reading.record.url


@pytest.mark.parametrize(
    ("shown", "instant"),
    [("2025年9月1日 00:05", "2025-08-31T16:05:00Z"), ("2025-09-01", "2025-08-31T16:00:00Z"),
     ("2025/9/1 8:05", "2025-09-01T00:05:00Z"), ("2025-09-01T00:05:00Z", "2025-09-01T00:05:00Z"),
     ("2025-09-01T00:05:00+09:00", "2025-08-31T15:05:00Z"),
     ("2025年9月1日 00:05 上海", "2025-08-31T16:05:00Z")],
)  # fmt: skip
def test_a_shown_time_is_that_of_shanghai(shown: str, instant: str) -> None:
    assert read_page(_unscripted(shown)).page["published_at"] == instant


def test_a_time_may_stand_in_the_head() -> None:
    meta = '<meta property="og:article:published_time" content="2025-09-01T00:05:00+08:00">'
    assert read_page(_unscripted("", meta)).page["published_at"] == "2025-08-31T16:05:00Z"


@pytest.mark.parametrize("shown", ["", "昨天", "3天前", "2025年13月45日", "9月1日"])
def test_a_page_without_a_time_names_it(shown: str) -> None:
    assert _missing(_unscripted(shown)) == ["time"]


def test_all_that_is_missing_is_named_and_the_words_are_there() -> None:
    served = page().replace("<h1>题</h1>".encode(), b"")
    for pattern in (rb'var biz = "[^"]+";', rb'var mid = "21";', rb'var ct = "\d+";',
                    rb"var msg_title = '[^']+';", rb'var nickname = "[^"]+";'):  # fmt: skip
        served = re.sub(pattern, b"", served)
    assert _missing(served) == ["biz", "mid", "title", "time", "account"]
    assert read_page(served).page["text"] == "字\r"
    assert "the title, the time of publication" in str(Message.load(read_page(served).reason))


def _untitled(words: str) -> bytes:
    pictures = [{"cdn_url": "https://mmbiz.qpic.cn/a/b/0"}]
    data = js({"content_noencode": words, "picture_page_info_list": pictures})
    served = page("", f"window.cgiDataNew = {data};", show_type=8)
    return served.replace("<h1>题</h1>".encode(), b"").replace("var msg_title = '题';".encode(), b"")


def test_a_picture_post_without_a_title_is_titled_by_its_words() -> None:
    reading = read_page(_untitled('今日见闻\\x0a<a class="wx_topic_link">#话题</a> A&B'))
    assert reading.record is not None, reading.reason
    assert (reading.kind, reading.record.title) == (Kind.PICTURE, "今日见闻\n#话题 A&B")


def test_a_picture_post_without_words_lacks_a_title() -> None:
    assert _missing(_untitled("")) == ["title"]


def test_singlefile_may_leave_end_tags_out_but_not_those_of_paragraphs() -> None:
    whole = read_page(_unscripted(end=""))
    assert whole.record is not None, whole.reason
    assert read_page(_unscripted(end="", body="<p>一<p>二")).outcome is Outcome.UNKNOWN
    served = _unscripted(end="").replace(b"Page saved with SingleFile", b"A comment")
    assert read_page(served, URL).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("heading", [b"<h1>\xe9\xa2\x98</h1>", b""])
@pytest.mark.parametrize("evaluated", [None, {"title": "号"}])
def test_the_name_of_the_account_is_no_title(heading: bytes, evaluated: dict[str, str] | None) -> None:
    """Pages of articles have `var title` beside `msg_title`: it is the name of the account."""
    served = page(script='var title = "号";').replace(b"var msg_title = '\xe9\xa2\x98';", b"")
    reading = read_page(served.replace(b"<h1>\xe9\xa2\x98</h1>", heading), evaluated=evaluated)
    if heading:
        assert reading.record is not None
        assert reading.record.title == "题"
    else:
        assert (reading.outcome, reading.page["missing"]) == (Outcome.UNKNOWN, ["title"])
