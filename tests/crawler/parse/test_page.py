"""Pages that a browser drew, with invented values: what their scripts held, and the words they showed."""

import time

import pytest

from archive.domain.addresses import MAX_STYLE_SHEETS, style_sheet_addresses
from archive.domain.outcomes import Kind, Outcome
from crawler.parse.page import read_page, shown_share
from tests.crawler import pages

TEXT = "合成的第一句。合成的第二句！"


def evaluated(**more: object) -> dict[str, object]:
    return {"biz": pages.BIZ, "mid": "7", "idx": "1", "sn": "a" * 32, "text": f"标题\n{TEXT}\n阅读", **more}


def test_what_the_scripts_held_comes_before_what_is_written_in_them() -> None:
    reading = read_page(pages.article(1, TEXT), evaluated=evaluated(msg_title="算出的标题", ct="1762400000"))
    assert reading.record is not None
    assert (reading.record.aid, reading.record.title) == ("7_1", "算出的标题")
    assert reading.page["ct"] == 1762400000
    assert reading.record.text == f"{TEXT}\r"


def test_empty_and_unknown_values_take_nothing_away() -> None:
    reading = read_page(
        pages.article(1, TEXT), evaluated={"mid": "", "ct": None, "surprise": 1, "text": TEXT}
    )
    assert reading.record is not None
    assert reading.record.aid == "1_1"


def test_a_body_that_only_the_scripts_hold_is_the_posts() -> None:
    data = {"content_noencode": f"<p>{TEXT}</p><p>第三句。</p>"}
    reading = read_page(pages.article(1, ""), evaluated=evaluated(cgiDataNew=data))
    assert reading.record is not None
    assert reading.record.text == f"{TEXT}\r第三句。\r"


def test_a_body_drawn_only_in_part_is_read_from_the_scripts() -> None:
    data = {"content_noencode": f"<p>{TEXT}</p><p>第三句。</p>"}
    reading = read_page(pages.article(1, "合成的第一句。"), evaluated=evaluated(cgiDataNew=data))
    assert reading.record is not None
    assert reading.record.text == f"{TEXT}\r第三句。\r"


def test_a_body_drawn_whole_stays_as_it_was_drawn() -> None:
    data = {"content_noencode": f"<p>{TEXT}</p>"}
    page = pages.article(1, f"<b>合成的第一句。</b>{TEXT.removeprefix('合成的第一句。')}画出的更多。")
    reading = read_page(page, evaluated=evaluated(cgiDataNew=data))
    assert reading.record is not None
    assert reading.record.text == f"{TEXT}画出的更多。\r"


def test_the_pictures_of_a_picture_post_come_from_its_scripts() -> None:
    page = pages.article(1, "").replace(b'item_show_type = "0"', b'item_show_type = "8"')
    listed = [{"cdn_url": "https://mmbiz.example/1/0?a=1&amp;b=2"}, {"cdn_url": "https://mmbiz.example/2/0"}]
    reading = read_page(page, evaluated=evaluated(picture_page_info_list=listed, item_show_type="8"))
    assert (reading.outcome, reading.kind) == (Outcome.ARTICLE, Kind.PICTURE)
    assert reading.page["images"] == ["https://mmbiz.example/1/0?a=1&b=2", "https://mmbiz.example/2/0"]


def test_the_share_of_the_text_that_was_shown_is_a_fact_of_the_page() -> None:
    assert read_page(pages.article(1, TEXT), evaluated=evaluated()).page["rendered_agrees"] == 1.0
    half = evaluated(text="合成的第一句。")
    assert read_page(pages.article(1, TEXT), evaluated=half).page["rendered_agrees"] == 0.5
    assert "rendered_agrees" not in read_page(pages.article(1, TEXT)).page


@pytest.mark.parametrize(
    ("text", "shown", "share"),
    [
        ("甲乙&nbsp;丙&amp;丁。", "甲乙 丙&丁", 1.0),
        ("一二三四。\r五六七八。", "五六\n七八", 0.5),
        ("[微笑]你好😀世界", "你好世界", 1.0),
        ("", "", 1.0),
        ("。！？", "", 1.0),
        ("写着的", "画着的", 0.0),
    ],
)
def test_sentences_count_as_shown_whatever_white_space_and_signs_are_between(
    text: str, shown: str, share: float
) -> None:
    assert shown_share(text, shown) == share


def test_a_notice_in_the_texts_place_is_no_article() -> None:
    notice = "该内容已被发布者删除"
    reading = read_page(pages.article(1, TEXT), evaluated=evaluated(text=notice))
    assert (reading.outcome, reading.record, reading.reason) == (Outcome.DELETED, None, notice)


def test_a_notice_that_a_post_quotes_leaves_it_a_post() -> None:
    quoting = f"{TEXT}该内容已被发布者删除"
    reading = read_page(pages.article(1, quoting), evaluated=evaluated(text=quoting))
    assert reading.outcome is Outcome.ARTICLE


@pytest.mark.parametrize("junk", [None, 0, [], {"a": [None]}, "x", [[]], {"content_noencode": 5}])
def test_values_of_any_shape_are_borne(junk: object) -> None:
    values = {name: junk for name in ("cgiDataNew", "cgiData", "biz", "picture_page_info_list", "ct", "text")}
    assert read_page(pages.article(1, TEXT), evaluated=values).outcome in (Outcome.ARTICLE, Outcome.UNKNOWN)


LINKED = b"""<link inline rel="stylesheet" type="text/css"
 href="//res.wx.qq.com/a/index.1.css" /><link href=https://res.wx.qq.com/a/index.2.css rel=stylesheet>
<link rel='stylesheet' href='http://res2.wx.qq.com/a/index.3.css'>
<link rel="stylesheet" href="//res.wx.qq.com/a/index.1.css">
<link rel="modulepreload" href="//res.wx.qq.com/a/index.4.css">
<link rel="stylesheet" href="//res.wx.qq.com.example/a.css">
<link rel="stylesheet" href="https://example.com/res.wx.qq.com/a.css">
<link rel="stylesheet" href="//res.wx.qq.com:8/a.css">
<link rel="stylesheet" href="./saved_files/index.5.css">
<link rel="stylesheet" href="//res.wx.qq.com/a/b c.css">
<link rel="icon" data-rel="stylesheet" href="//res.wx.qq.com/a/icon.css">
<script>document.write('<link rel="stylesheet" href="//res.wx.qq.com/a/index.6.css">')</script></head>"""
SHEETS = (
    "https://res.wx.qq.com/a/index.1.css",
    "https://res.wx.qq.com/a/index.2.css",
    "https://res2.wx.qq.com/a/index.3.css",
)


def test_the_style_sheets_of_a_page_are_those_on_wechats_own_hosts_by_https() -> None:
    page = pages.article(1, TEXT)
    assert b"</head>" in page
    assert read_page(page.replace(b"</head>", LINKED, 1)).style_sheets == SHEETS
    assert read_page(page).style_sheets == ()


def test_so_many_style_sheets_of_one_page_and_no_more_are_wanted() -> None:
    links = b"".join(b'<link rel="stylesheet" href="//res.wx.qq.com/%d.css">' % n for n in range(1000))
    page = pages.article(1, TEXT).replace(b"</head>", links + b"</head>", 1)
    assert len(read_page(page).style_sheets) == MAX_STYLE_SHEETS


def test_a_page_full_of_broken_links_is_searched_in_no_time() -> None:
    for piece in (
        "<link ",
        "<link rel=stylesheet ",
        "<link rel=stylesheet href=//res.wx.qq.com/",
        "<link rel= href= ",
    ):
        begun = time.process_time()
        assert style_sheet_addresses(piece * (1024 * 1024 // len(piece))) == []
        assert time.process_time() - begun < 2
