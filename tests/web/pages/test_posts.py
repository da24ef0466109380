"""The pages of a post: its text, history and captures."""

import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from archive.db.engine import transaction
from archive.db.models import Medium
from archive.domain.messages import Message
from archive.domain.outcomes import Kind, MediumOutcome
from archive.ingest.pages import store_parse_results
from archive.rendering.page import MAX_TAGS
from archive.repository.captures import store_captures
from archive.repository.media import record_media_failure
from tests.archive.making import NOW, article, capture, image, record, video
from tests.web.conftest import SeededSite
from tests.web.pages.page_requests import OTHER, POST, RICH, get, words
from tests.web.seeding import DELETED, EDITED, LATER, invented, page_of, put_pages
from web.pages.posts import collapse_blank_lines

_LONG_AGO = datetime(2012, 9, 1, 4, 0, tzinfo=UTC)


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


def test_a_page_that_is_too_large_is_refused_and_others_are_served(site: SeededSite) -> None:
    with_svg = "<svg><image><a><img></a></image></svg><p>字</p>"
    bodies = {"14001_1": with_svg, "14002_1": "<b>" * (MAX_TAGS + 1)}
    results = [invented(aid, "题", "文", html, "2012-09-01") for aid, html in bodies.items()]
    with transaction(site.engine) as session:
        put_pages(session, [page_of(one) for one in results], _LONG_AGO)
    assert get(site, f"{POST}/14001_1/offline").status == 200
    refused = get(site, f"{POST}/14002_1/offline?lang=en")
    assert refused.status == 501
    assert "This page cannot be made" in words(refused)
    assert "the page of post 14002_1 cannot be made (it has" in words(refused)
    assert "无法生成文章 14002_1 的网页" in words(get(site, f"{POST}/14002_1/offline?lang=zh"))
    assert get(site, f"{POST}/14002_1").status == 200


def test_an_unexpected_error_of_a_page_is_answered_with_one_sentence(
    site: SeededSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise RecursionError("maximum recursion depth exceeded")

    monkeypatch.setattr("web.pages.files.offline_page", fail)
    answer = get(site, f"{RICH}/offline")
    assert answer.status == 501
    assert "RecursionError" in words(answer)
    assert "Traceback" not in words(answer)


def test_the_page_of_a_paid_post_says_that_only_the_preview_is_archived(site: SeededSite) -> None:
    made = record(7777, title="付费文章")
    made = replace(made, date="2012-09-01")  # other tests count the posts of later years
    with transaction(site.engine) as session:
        (kept,) = store_captures(session, None, [(None, capture(b"paid"))])
        page = article(made, page={"paid": True, "preview": True})
        store_parse_results(session, None, [(kept, page)], NOW, 6)
    for path in (f"{POST}/{made.aid}", f"{POST}/{made.aid}/page", f"{POST}/{made.aid}/history"):
        assert "only its free preview is archived" in words(get(site, f"{path}?lang=en"))
    assert "Only the free preview" in words(get(site, f"{POST}/{made.aid}/offline"))
    assert "preview" not in words(get(site, f"{POST}/{EDITED}?lang=en"))
    feed = get(site, f"/feeds/posts.atom?q={quote('付费文章')}").body.decode()
    assert 'term="paid-preview"' in feed


def test_what_is_missing_of_a_post_is_said_on_its_page(site: SeededSite) -> None:
    media = [image("lost", 0), image("lost_too", 1), image("waits", 2), video()]
    made = replace(invented("14001_1", "缺图的合成文章", "字。\r", day="2012-08-27"), media=tuple(media))
    silent = replace(invented("14002_1", "没有视频的合成文章", "字。\r", day="2012-08-27"), kind=Kind.VIDEO)
    with transaction(site.engine) as session:
        put_pages(session, [page_of(made), page_of(silent)], _LONG_AGO)
    for medium in media[:2]:
        with transaction(site.engine) as session:
            number = session.scalars(select(Medium.id).where(Medium.key == medium.key)).one()
            record_media_failure(session, number, MediumOutcome.REFUSED, "crawler.media.memory", LATER)
    reason = Message("crawler.media.memory")
    for view in ("", "/page"):
        shown = words(get(site, f"{POST}/14001_1{view}?lang=en"))
        assert f"Not all of this post is in the archive: 2 images are missing: {reason}" in shown
        assert "One image is missing: not downloaded yet" in shown
        assert "One video is missing: " in shown
        assert "The video is missing" not in shown
        assert "缺视频：" in words(get(site, f"{POST}/14002_1{view}?lang=zh"))
        assert "Not all of this post" not in words(get(site, f"{RICH}{view}?lang=en"))
