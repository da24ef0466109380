"""Pages served before 2025-11, and such as write things down in ways of their own; all are invented."""

import pytest

from archive.domain.outcomes import Kind, Outcome
from crawler.parse.page import read_page
from tests.crawler.parse.made import BIZ, page, read

FOLLOW = '<div class="wx_follow_nickname ">号</div>'
PROGRAM = """var setDesc = (function () {
    var title = 'of the program', name = title;
    if (!window.__second_open__) {
        var TextContentNoEncode = window.a_value_which_never_exists || '短';
        var ContentNoEncode = window.a_value_which_never_exists || '一\\x0a<a href="https://example.com/">二</a>';
    }
})();"""


def test_a_text_post_has_its_words_in_the_middle_of_a_program() -> None:
    served = page(FOLLOW, show_type=10, after=f"<script>{PROGRAM}/*{'x' * 300_000}*/</script>")
    reading = read_page(served.replace(b'var nickname = "\xe5\x8f\xb7";', b""))
    assert reading.record is not None, reading.reason
    assert reading.kind is Kind.TEXT
    assert (reading.record.text, reading.record.title, reading.record.account) == ("一\r二", "题", "号")


@pytest.mark.parametrize(
    ("show_type", "script"),
    [(5, "var vid = 'v1'; var videoContentNoEncode = '' || '说明';"),
     (7, "var voiceid = 'voice1'; var ContentNoEncode = '' || '说明';")],
)  # fmt: skip
def test_so_have_videos_and_audios(show_type: int, script: str) -> None:
    assert read("", script, show_type=show_type).page["kind"] in ("video", "audio")
    assert read("", script, show_type=show_type).record.text == "说明"  # type: ignore[union-attr]


def test_a_share_has_the_post_it_shares_in_a_script_of_html() -> None:
    shared = '<script id="content_tpl" type="text/html"><p>全文</p><p>第二段</p></script>'
    notice = '<script>document.write("只有前几个字");</script>'
    assert read(notice, show_type=11, around=shared).record.text == "全文\r第二段\r"  # type: ignore[union-attr]


def test_of_a_drawn_share_the_whole_is_taken_and_not_its_first_words() -> None:
    shared = '<script id="content_tpl" type="text/html"><p>全文有许多字</p></script>'
    drawn = read_page(page("<p>全文</p>", show_type=11, around=shared), evaluated={"idx": "1"})
    assert drawn.record is not None
    assert drawn.record.text == "全文有许多字\r"


def test_pictures_are_listed_up_to_a_number_and_described_in_escapes() -> None:
    listed = ", ".join(f"{{cdn_url: 'https://mmbiz.qpic.cn/p{n}/0', width: '9' * 1}}" for n in range(3))
    script = f'var desc = "他说：&quot;好&quot;"; window.picture_page_info_list = [{listed}].slice(0, 20);'
    reading = read("", script, show_type=8)
    assert len(reading.page["images"]) == 3
    assert reading.record is not None
    assert reading.record.text == '他说："好"'


@pytest.mark.parametrize("words", ["var biz = '{}';", "const biz = '{}';", 'let biz="{}";'])
def test_the_account_is_found_however_its_name_is_written_down(words: str) -> None:
    served = page().replace(f'var biz = "{BIZ}";'.encode(), b"")
    assert read_page(served).outcome is Outcome.UNKNOWN
    other = f"<script>{words.format(BIZ)}</script></body>".encode()
    assert read_page(served.replace(b"</body>", other)).biz == BIZ


def test_the_state_is_found_without_spaces_in_a_script_of_its_own() -> None:
    state = "<script>window.cgiDataNew={content_noencode:'全文'};</script>"
    assert read("", show_type=11, after=state).record.text == "全文"  # type: ignore[union-attr]


def test_a_title_about_html_is_decoded_once() -> None:
    served = page().replace("msg_title = '题'".encode(), b"msg_title = '&amp;nbsp; &lt;b&gt;'.html(false)")
    record = read_page(served).record
    assert record is not None
    assert record.title == "&nbsp; <b>"


def test_title_and_account_of_pages_that_say_them_only_to_readers() -> None:
    around = '<h2 class="rich_media_title" id="activity-name"> 旧题 </h2><a id="post-user">旧号</a>'
    served = page(around=around).replace("<h1>题</h1>".encode(), b"")
    for said in ("msg_title = '题';", 'var nickname = "号";'):
        served = served.replace(said.encode(), b"")
    record = read_page(served).record
    assert record is not None
    assert (record.title, record.account) == ("旧题", "旧号")


def test_a_data_id_is_no_id() -> None:
    served = page().replace(b'<div id="js_content">', b'<div data-id="x" id="js_content">')
    assert read_page(served).record == read().record
    decoy = page(around='<section data-id="js_content">假</section>')
    assert read_page(decoy).record == read().record


@pytest.mark.slow
def test_a_page_of_a_thousand_drawn_formulas_is_one() -> None:
    formulas = "<svg><g>" + "<path d='M0'></path>" * 50 + "</g></svg>"
    assert read(f"<p>字</p>{formulas * 1000}").record.text == "字\r"  # type: ignore[union-attr]


FRAME_MID = "window.PAGE_MID='mmbizwap:pages/common_share.html';"


@pytest.mark.parametrize("show_type", ["", "0", "7", "8", "11"])
def test_the_frame_of_a_shared_template_is_no_body(show_type: str) -> None:
    """Pages of pictures, texts and audios have a frame in #js_content: the account's card and a comma."""
    served = page(f"{FOLLOW}<p></p><span>,</span>", FRAME_MID).decode()
    reading = read_page(served.replace('item_show_type = "0"', f'item_show_type = "{show_type}"').encode())
    assert (reading.outcome, reading.record) == (Outcome.UNKNOWN, None)
    assert reading.needs_browser


def test_an_audio_in_the_frame_has_no_words_but_its_player() -> None:
    reading = read(f"{FOLLOW}<span>,</span>", f"{FRAME_MID} var voiceid = 'voice1';", show_type=7)
    assert (reading.kind, reading.record and reading.record.text) == (Kind.AUDIO, "")
    assert reading.needs_browser
