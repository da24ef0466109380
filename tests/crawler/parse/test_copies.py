"""Copies of one value on one page: those that agree are noted, those that differ make no article."""

import pytest

from archive.domain.messages import Message
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from crawler.parse.page import read_page
from tests.crawler.parse.made import BIZ, js, page

BODY = '<p>第一段。</p><p>第二段。</p><img data-src="https://mmbiz.qpic.cn/a/one/640">'


def _data(**values: object) -> str:
    content = values.pop("content_noencode", BODY.replace("/640", "/0"))
    return f"window.cgiDataNew = {js({'content_noencode': content, **values})};"


def _differing(reading: ParsedPage) -> list[str]:
    assert reading.outcome is Outcome.UNKNOWN
    assert reading.record is None
    message = Message.load(reading.reason)
    assert message.code == "crawler.parse.copies_differ"
    return [field.code.rpartition(".")[2] for field in message.params["fields"]]


def test_agreement_is_noted_whatever_the_white_space_and_the_size_of_images() -> None:
    data = _data(title="题", ori_create_time=1700000000, mid=21, idx=1, sn="ab", bizuin=BIZ, nick_name="号")
    reading = read_page(page(BODY.replace("<p>", "<p>\n  "), data))
    assert reading.outcome is Outcome.ARTICLE, reading.reason
    expected = {"title", "account", "time", "biz", "mid", "idx", "sn", "body", "images"}
    assert reading.page["copies"] == dict.fromkeys(expected, "agree")


@pytest.mark.parametrize(
    "body",
    ["", "<p>第一段。</p>", "<p>该内容已被发布者删除</p>", "<p>别的文章。</p>",
     BODY.replace("第二段", "第段"), BODY.replace("</p><p>", "")],
)  # fmt: skip
def test_a_body_that_was_emptied_cut_or_replaced_is_no_article(body: str) -> None:
    assert "body" in _differing(read_page(page(body, _data())))


def test_an_address_whose_account_lacks_its_padding_is_no_other_account() -> None:
    url = f"http://mp.weixin.qq.com/s?__biz={BIZ.rstrip('=')}&amp;mid=21&amp;idx=1&amp;sn=ab"
    served = page().replace(b"</head>", f'<meta property="og:url" content="{url}"></head>'.encode())
    reading = read_page(served)
    assert reading.outcome is Outcome.ARTICLE, reading.reason
    assert reading.page["copies"]["biz"] == "agree"


def test_an_image_that_one_copy_lacks_is_a_difference() -> None:
    assert _differing(read_page(page(BODY.partition("<img")[0], _data()))) == ["images"]


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [("title", "别题", "title"), ("nick_name", "别号", "account"), ("ori_create_time", 1600000000, "time"),
     ("create_time", "2023-11-15 06:14", "time"), ("mid", 22, "mid"), ("idx", 2, "idx"), ("sn", "cd", "sn"),
     ("bizuin", "MzAwMDAwMDAwMQ==", "biz")],
)  # fmt: skip
def test_a_value_that_is_another_one_elsewhere_on_the_page_is_named(
    name: str, value: object, field: str
) -> None:
    assert _differing(read_page(page(BODY, _data(**{name: value})))) == [field]


@pytest.mark.parametrize(
    ("around", "script", "field"),
    [('<p class="wx_follow_nickname"> 别号 </p>', "nickname = ''; window.name = '号';", "account"),
     ("", "nickname = ''; window.name = '别号'; " + _data(nick_name="号"), "account"),
     ('<h1 id="activity-name">别题</h1>', "msg_title = ''; window.title = '题';", "title")],
)  # fmt: skip
def test_copies_of_pages_of_other_kinds_are_compared_too(around: str, script: str, field: str) -> None:
    served = page(BODY, script, around=around).replace(b"<h1>\xe9\xa2\x98</h1>", b"")
    names = served.replace(b'var nickname = "\xe5\x8f\xb7";', b"").replace(
        b"var msg_title = '\xe9\xa2\x98';", b""
    )
    assert field in _differing(read_page(names))


def test_a_time_written_by_the_minute_holds_the_seconds_of_that_minute() -> None:
    reading = read_page(page(BODY, _data(create_time="2023-11-15 06:13")))
    assert reading.page["copies"]["time"] == "agree"


@pytest.mark.parametrize("title", ["甲 & <乙>", r"甲\x26amp;乙", "甲\\n乙"])
def test_a_title_may_be_escaped_otherwise_in_another_place(title: str) -> None:
    meta = title.replace("<", "&lt;").replace('"', "&quot;")
    served = page(BODY).replace(b"</head>", f'<meta property="og:title" content="{meta}"></head>'.encode())
    script = f"msg_title = '{title}'.html(false)"
    reading = read_page(served.replace("msg_title = '题'".encode(), script.encode()))
    assert reading.page["copies"]["title"] == "agree", reading.reason


def test_pictures_without_their_last_words_in_the_description_agree() -> None:
    words = "字" * 150
    pictures = [{"cdn_url": "https://mmbiz.qpic.cn/a/b/0"}]
    data = _data(content_noencode=words, picture_page_info_list=pictures)
    for description, copies in ((words[:120], "agree"), (f"{words}又", "differ"), (words[:20], "differ")):
        reading = read_page(page("", f"{data} window.desc = '{description}';", show_type=8))
        assert reading.page["copies"]["body"] == copies


@pytest.mark.parametrize(
    ("words", "outcome"),
    [("该内容已被发布者删除", Outcome.DELETED), ("此内容因违规无法查看", Outcome.VIOLATION),
     ("此帐号已自主注销，内容无法查看", Outcome.UNAVAILABLE), ("参数错误", Outcome.BAD_REQUEST),
     ("根据作者隐私设置，无法查看该内容", Outcome.PRIVATE), ("该公众号已迁移", Outcome.MIGRATED),
     ("当前环境异常，完成验证后即可继续访问。去验证", Outcome.VERIFICATION)],
)  # fmt: skip
def test_a_body_that_is_nothing_but_a_notice_is_that_notice(words: str, outcome: Outcome) -> None:
    reading = read_page(page(f"<p>{words}</p>"))
    assert (reading.outcome, reading.record) == (outcome, None)


@pytest.mark.parametrize(
    "words", ["谣言止于智者。", "昨天的文章被误删，该内容已被发布者删除。", "链接已过期，请看新的。"]
)
def test_a_post_that_only_mentions_a_notice_is_a_post(words: str) -> None:
    assert read_page(page(f"<p>{words}</p>")).outcome is Outcome.ARTICLE


def test_a_notice_beside_an_image_is_no_article() -> None:
    body = '<p>该内容已被发布者删除</p><img data-src="https://mmbiz.qpic.cn/a/b/640">'
    assert read_page(page(body)).outcome is Outcome.UNKNOWN
