"""The pages of a post: its text, history and captures."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.web.conftest import SeededSite
from tests.web.pages.page_requests import OTHER, POST, RICH, get, words
from tests.web.seeding import DELETED, EDITED
from web.pages.posts import collapse_blank_lines


def test_a_post_shows_its_text_images_details_and_links(site: SeededSite) -> None:
    shown = words(get(site, RICH))
    assert "云屿市虚构的制造业数字化转型方案发布, 全文来了" in shown
    assert "2025-11-07 08:31" in shown
    assert "Original yes" in shown
    page = get(site, RICH).body.decode()
    (src,) = re.findall(r'<img src="(/files/[0-9a-f]{64})" alt="Image 1"', page)
    file = get(site, src)
    assert file.headers["Content-Type"] == "image/png"
    assert hashlib.sha256(file.body).hexdigest() == src.removeprefix("/files/")
    newest = re.findall(r'href="(/posts/[^"]+)"', get(site, f"/accounts/{OTHER}").body.decode())[0]
    assert f'href="{RICH}"' in get(site, newest).body.decode()  # it leads to that one


def test_history_shows_versions_captures_and_absences_and_marks_changes(site: SeededSite) -> None:
    page = get(site, f"{POST}/{EDITED}/history").body.decode()
    assert "<ins><span" in page
    assert ">二</ins>" in page
    assert "characters that did not change" in page
    shown = words(get(site, f"{POST}/{DELETED}/history"))
    assert "unavailable: deleted by its author; last seen 2025-11-09 12:00 该内容已被发布者删除" in shown
    assert "There is only one version." in shown
    assert "no longer available at its address: deleted by its author" in words(
        get(site, f"{POST}/{DELETED}")
    )
    assert get(site, f"{POST}/{EDITED}/history?before=1&after=9").status == 404
    assert get(site, f"{POST}/{EDITED}/history?before=0").status == 400


def test_a_capture_is_served_byte_for_byte_as_plain_text(site: SeededSite) -> None:
    page = get(site, f"{POST}/{EDITED}/captures").body.decode()
    number = re.findall(r'href="/captures/(\d+)"', page)[0]
    answer = get(site, f"/captures/{number}")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert hashlib.sha256(answer.body).hexdigest() in page
    assert get(site, f"/api/v1/captures/{number}/body").body == answer.body
    assert get(site, f"/captures/{number}", If_None_Match=answer.headers["ETag"]).status == 304
    assert get(site, "/captures/999999").status == 404


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", ""),
        ("\r\r", ""),
        ("一\r", "一\r"),
        ("一\r二", "一\r二"),
        ("\r \r&nbsp;\r一\r\r\r&nbsp; \u200b\r\r\u3000二\r\r", "一\r\r\u3000二\r"),
        ("一\n\n\n二", "一\r\r二"),
    ],
)
def test_runs_of_blank_lines_collapse(text: str, read: str) -> None:
    assert collapse_blank_lines(text) == read


@given(st.lists(st.sampled_from(["\r", " ", "&nbsp;", "一", "二 三", "&lt;"]), max_size=30).map("".join))
def test_collapsing_blank_lines_keeps_every_word_in_order(text: str) -> None:
    told = [line for line in collapse_blank_lines(text).split("\r") if line]
    assert told == [line for line in text.split("\r") if line.replace("&nbsp;", "").strip()]
    assert "\r\r\r" not in collapse_blank_lines(text)
