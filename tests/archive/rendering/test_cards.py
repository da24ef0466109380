"""Widgets that only scripts draw become cards with their words."""

import pytest
from bs4 import BeautifulSoup, Tag

from archive.rendering.cards import (
    CARD,
    MAX_LINE,
    CardMedium,
    card_medium,
    described_lines,
    format_duration,
    insert_cards,
    make_card,
)
from archive.rendering.images import parse_html
from archive.rendering.plain_html import plain_body


def with_cards(body: str) -> BeautifulSoup:
    soup = parse_html(body)
    for tag in soup.find_all(class_=True):
        tag["class"] = " ".join(tag.get_attribute_list("class"))  # as plain_body leaves them
    insert_cards(soup)
    return soup


def cards(body: str) -> list[Tag]:
    return list(with_cards(body).find_all(class_=CARD))


def lines(card: Tag) -> list[str]:
    return [span.get_text() for span in card.find_all("span")]


@pytest.mark.parametrize(
    ("widget", "expected"),
    [
        ('<mpvoice name="讲话" author="某人" play_length="66000"></mpvoice>',
         ["音频", "讲话", "某人", "1:06"]),
        ('<qqmusic music_name="歌" singer="歌手" play_length="66"></qqmusic>',
         ["音乐", "歌", "歌手", "1:06"]),
        ('<mp-common-profile data-nickname="号" data-signature="简介"></mp-common-profile>',
         ["公众号", "号", "简介"]),
        ('<mpvideosnap data-desc="说明" data-nickname="作者"></mpvideosnap>', ["视频号", "说明", "作者"]),
        ('<mpvideosnap data-nickname="作者"></mpvideosnap>', ["视频号", "作者"]),
        ('<iframe class="vote_iframe" data-title="表决"></iframe>', ["投票", "表决"]),
        ('<video src="https://x.example/a.mp4" title="片"></video>', ["视频", "片", "https://x.example/a.mp4"]),
        ('<iframe data-src="https://mp.weixin.qq.com/mp/readtemplate?t=x"></iframe>', ["视频"]),
        ('<mp-common-new data-title="以后的"></mp-common-new>', ["卡片", "以后的"]),
        ('<mp-common-poi data-name="甲 &amp;amp; 乙" data-address="某路"></mp-common-poi>',
         ["位置", "甲 & 乙", "某路"]),
    ],
)  # fmt: skip
def test_a_widget_becomes_a_card_with_its_words(widget: str, expected: list[str]) -> None:
    (card,) = cards(f"<p>前</p>{widget}<p>后</p>")
    assert lines(card) == expected


def test_a_card_names_the_medium_and_its_still() -> None:
    cover = "https%3A%2F%2Fx.example%2Fa.jpg"
    (card,) = cards(f'<iframe class="video_iframe" data-mpvid="wxv_1" data-cover="{cover}"></iframe>')
    assert card_medium(card) == CardMedium("video", "wxv_1", "https://x.example/a.jpg")
    (card,) = cards('<iframe data-src="https://v.qq.com/x.html?vid=abc&amp;auto=0"></iframe>')
    assert card_medium(card).id == "abc"


def test_frames_around_one_video_have_one_card_and_two_videos_have_two() -> None:
    inner = '<iframe class="video_iframe" data-mpvid="{}"></iframe>'
    assert len(cards(f'<span class="video_iframe" vid="a">{inner.format("a")}</span>')) == 1
    assert len(cards(inner.format("a") + inner.format("b"))) == 2
    assert len(cards("<mpprofile></mpprofile>" * 2)) == 2  # without an id all are shown


def test_the_text_in_a_widget_stays_and_what_is_invisible_has_no_card() -> None:
    soup = with_cards("<mp-common-new>字<source src=x></mp-common-new><mp-style-type>x</mp-style-type>")
    assert soup.get_text().startswith("字卡片")
    assert soup.find("source") is None
    assert len(soup.find_all(class_=CARD)) == 1


def test_a_line_of_a_card_is_bounded_and_is_never_markup() -> None:
    card = make_card("标签", "<b>" + "长" * MAX_LINE, ["", "一"], CardMedium())
    assert [len(line) for line in lines(card)] == [2, MAX_LINE, 1]
    assert card.find("b") is None
    assert "&lt;b&gt;" in str(card)


@pytest.mark.parametrize(
    ("length", "unit", "shown"),
    [(66_000, 1, "1:06"), ("59500", 1, "1:00"), (66, 1000, "1:06"), (3_600_000, 1, "60:00"),
     (0, 1, ""), (None, 1, ""), ("x", 1, ""), ("-5", 1, ""), ("1" * 11, 1, "")],
)  # fmt: skip
def test_a_length_is_shown_in_minutes_and_seconds(length: object, unit: int, shown: str) -> None:
    assert format_duration(length, unit) == shown


def test_the_metadata_of_a_medium_give_its_lines() -> None:
    assert described_lines({"title": "题", "author": "人", "duration": 66}) == [
        ("title", "题"),
        ("line", "人"),
        ("line", "1:06"),
    ]
    assert described_lines({"name": "名", "author": 5, "duration_ms": "?"}) == [("title", "名")]


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ('<mp-common-article-card data-title="题" data-author="号"></mp-common-article-card>',
         "文章题号"),
        ('<mp-common-redpacketcover data-receiveimg="https://x.example/a">词</mp-common-redpacketcover>',
         "词红包封面"),
        ('<mp-common-videosnap data-desc="甲" data-intro="8月" data-nickname="号"></mp-common-videosnap>',
         "视频号甲8月号"),
        ('<mp-common-clscontext data-x="1">字</mp-common-clscontext>', "字"),
        ("<p>字</p><mp-pay-preview-filter></mp-pay-preview-filter>", "字"),
    ],
)  # fmt: skip
def test_a_card_says_what_the_widget_shows_and_marks_of_an_editor_say_nothing(
    markup: str, words: str
) -> None:
    assert plain_body(markup).get_text(strip=True) == words
