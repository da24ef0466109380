"""The text rule of the record, case by case."""

import pytest

from crawler.parse.body import text_of, text_of_html, text_of_plain

HTML = {
    "a paragraph ends with a carriage return": ("<p>一</p><p>二</p>", "一\r二\r"),
    "white space collapses, wide and no-break spaces too": (" <p>一\u3000\u00a0 \n二</p> ", "一 二\r"),
    "both ends are stripped before the paragraphs count": (" \n一 ", "一"),
    "entities stay as served": ("<p>a&nbsp;&lt;b&gt; &amp;amp;</p>", "a&nbsp;&lt;b&gt; &amp;amp;\r"),
    "scripts and styles go with their content": (
        "<style>p{}</style>一<script>var a='<p>';</script>二",
        "一二",
    ),
    "comments go": ("一<!-- <p>x</p> -->二", "一二"),
    "a greater-than sign in an attribute does not end the tag": ('<a title="x>y">一</a>', "一"),
    "a stray quote does not swallow the text": ('<a title="x"" href="y">一</a>"二', '一"二'),
    "a less-than sign that opens no tag stays": ("1 < 2 <b>和</b> 3<4", "1 < 2 和 3<4"),
    "the word var is only a word": ("<p>一 var 二</p>", "一 var 二\r"),
    "upper case tags are tags": ("<P>一</P>", "一\r"),
    "nothing stays nothing": ("", ""),
}
PLAIN = {
    "line breaks become carriage returns": ("一\n\n二\r\n三", "一\r\r二\r三"),
    "links lose their tags": ('见<a href="http://a/b" data-x="1">此处</a>。', "见此处。"),
    "a less-than sign of the author stays": ("若 a<b 且 c>d", "若 a<b 且 c>d"),
    "inner spaces stay": ("一  二", "一  二"),
}


@pytest.mark.parametrize(("html", "text"), HTML.values(), ids=HTML)
def test_html(html: str, text: str) -> None:
    assert text_of_html(html) == text


@pytest.mark.parametrize(("written", "text"), PLAIN.values(), ids=PLAIN)
def test_plain_text(written: str, text: str) -> None:
    assert text_of_plain(written) == text


def test_a_body_from_the_script_state_is_html_when_it_has_blocks() -> None:
    assert text_of("<section>一\n二</section>") == "一 二"
    assert text_of("一\n二") == "一\r二"
