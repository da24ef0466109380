"""Tests that a real Chromium renders the stand-in's pages without an error."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from crawler.browser.launch_options import find_chromium
from tests.standin import Standin
from tests.standin.posts import POSTS
from tests.standin.rule import final_content

pytestmark = pytest.mark.browser
REAL_WEIGHT = 2_500_000  # bytes
ONLY_LOOPBACK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
BY_NAME = {post.name: post for post in POSTS}


@pytest.fixture(scope="module")
def standin() -> Iterator[Standin]:
    with Standin(weight=REAL_WEIGHT) as running:
        yield running


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=[ONLY_LOOPBACK])
        yield browser.new_page()
        browser.close()


@pytest.fixture
def complaints(tab: Page) -> Iterator[list[str]]:
    found: list[str] = []

    def note(error: object) -> None:
        found.append(str(error))

    tab.on("pageerror", note)
    yield found
    tab.remove_listener("pageerror", note)


def _open(tab: Page, standin: Standin, name: str) -> None:
    tab.goto(f"{standin.origin}/s/{BY_NAME[name].token}", wait_until="load")


def test_every_post_is_rendered_without_an_error(tab: Page, standin: Standin, complaints: list[str]) -> None:
    for name in BY_NAME:
        _open(tab, standin, name)
    assert complaints == []


def test_the_hidden_body_of_an_article_is_shown(tab: Page, standin: Standin) -> None:
    _open(tab, standin, "article")
    assert tab.locator("#js_content").is_visible()
    assert tab.locator("#publish_time").inner_text() == "2025-11-07 08:31"


def test_a_share_gets_its_body_from_the_script(tab: Page, standin: Standin) -> None:
    _open(tab, standin, "share")
    drawn = final_content(tab.locator("#js_content").inner_html())
    assert drawn == final_content(BY_NAME["share"].body)


def test_the_text_of_text_and_picture_posts_is_rendered(tab: Page, standin: Standin) -> None:
    _open(tab, standin, "text")
    assert tab.locator("#js_text_desc").inner_text() == BY_NAME["text"].body
    assert tab.locator("#js_text_title").inner_text() == BY_NAME["text"].title
    _open(tab, standin, "picture")
    assert tab.locator("#img_list img").count() == len(BY_NAME["picture"].pictures)


def test_the_text_of_an_audio_post_exists_only_when_rendered(tab: Page, standin: Standin) -> None:
    _open(tab, standin, "audio")
    drawn = final_content(tab.locator("#js_content").inner_html())
    assert drawn == "".join(f"{line}\r" for line in BY_NAME["audio"].body.split("\n"))


def test_the_notice_of_a_private_post_is_rendered(tab: Page, standin: Standin) -> None:
    address = next(one for one in standin.describe() if one["name"] == "private")
    tab.goto(standin.origin + address["short_url"].removeprefix("https://mp.weixin.qq.com"))
    assert "根据作者隐私设置" in tab.locator(".weui-msg__title").inner_text()
