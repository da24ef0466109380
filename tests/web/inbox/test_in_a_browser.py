"""The inbox's page in a real browser: by bookmarklet from WeChat's own page, by hand, without JavaScript."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route
from sqlalchemy import Engine, select

from archive.db.engine import transaction
from archive.db.models import Address, Sighting
from tests.web.served import TOKEN, Served, served

pytestmark = pytest.mark.browser
POST = "https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"
OPENED = f"{POST}?key=c0ffeec0ffee&scene=1#wechat_redirect"
PAGE = "<!doctype html><meta charset=utf-8><title>合成标题</title><p>合成"
POLICY = {"Content-Security-Policy": "default-src 'none'; script-src 'none'; connect-src 'none'"}


@pytest.fixture
def web(engine: Engine) -> Iterator[Served]:
    with served(engine) as client:
        yield client


@pytest.fixture
def requested() -> list[str]:
    """Collect every request of the browsers."""
    return []


@pytest.fixture
def window(chromium: Browser, web: Served, requested: list[str]) -> Iterator[BrowserContext]:
    yield from _window(chromium, web, requested, javascript=True)


@pytest.fixture
def plain_window(chromium: Browser, web: Served, requested: list[str]) -> Iterator[BrowserContext]:
    yield from _window(chromium, web, requested, javascript=False)


def _window(
    chromium: Browser, web: Served, requested: list[str], javascript: bool
) -> Iterator[BrowserContext]:
    """Open a browser that reaches our server, and one made-up page at any other address."""
    context = chromium.new_context(java_script_enabled=javascript, bypass_csp=False, locale="en-GB")
    context.set_default_timeout(30_000)

    def answer(route: Route) -> None:
        requested.append(f"{route.request.method} {route.request.url}")
        if route.request.url.startswith(web.origin):
            route.continue_()
        else:
            route.fulfill(body=PAGE, content_type="text/html", headers=POLICY)

    context.route("**/*", answer)
    yield context
    context.close()


def filed(engine: Engine) -> list[tuple[str, str]]:
    """Return address and title of everything that was filed."""
    with transaction(engine) as session:
        found = select(Address.url, Sighting.title).join(Sighting, Sighting.address_id == Address.id)
        return [(url, title) for url, title in session.execute(found)]


def tap(window: BrowserContext, bookmarklet: str, on: str) -> Page:
    """Open an address, then run a bookmarklet as browsers do: whatever the page's own policy is."""
    page = window.new_page()
    page.goto(on)
    with window.expect_page() as opened:
        page.evaluate(bookmarklet.removeprefix("javascript:"))
    return opened.value


def status_text(page: Page, words: str) -> str:
    """Wait until the status of the page has these words; return all of it."""
    page.get_by_role("status").filter(has_text=words).wait_for()
    return page.get_by_role("status").inner_text()


def test_the_bookmarklet_files_a_post_with_one_tap_once_the_token_is_stored(
    window: BrowserContext, web: Served, engine: Engine, requested: list[str]
) -> None:
    page = window.new_page()
    page.goto(f"{web.origin}/inbox")
    bookmarklet = page.locator("#bookmarklet").get_attribute("href") or ""

    first = tap(window, bookmarklet, OPENED)  # the token is missing
    first.get_by_label("Token").fill(TOKEN)
    assert filed(engine) == []
    first.get_by_role("button", name="Submit").click()
    assert "Submitted: 合成标题" in status_text(first, "Submitted")
    assert filed(engine) == [(f"{POST}?scene=1", "合成标题")]
    assert first.url == f"{web.origin}/inbox"  # nothing of it is left in the history

    second = tap(window, bookmarklet, OPENED.replace("AbCd", "aBcD"))  # one tap
    assert "Submitted" in status_text(second, "Submitted")
    assert len(filed(engine)) == 2
    ours = {one for one in requested if web.origin in one}
    assert ours == {f"{method} {web.origin}/inbox" for method in ("GET", "POST")}
    assert {one for one in requested if one not in ours} == {
        f"GET {OPENED.partition('#')[0].replace('AbCd', name)}" for name in ("AbCd", "aBcD")
    }


def test_a_link_from_another_site_files_nothing_by_itself(
    window: BrowserContext, web: Served, engine: Engine
) -> None:
    page = window.new_page()
    page.goto(f"{web.origin}/inbox")
    page.evaluate(f"localStorage.setItem('mparchive-inbox-token', '{TOKEN}')")
    fragment = urlencode({"url": POST, "title": "合成标题", "tap": ""})
    opened = tap(window, f"void(open('{web.origin}/inbox#{fragment}'))", "https://evil.example/")
    assert opened.get_by_label("Address").input_value() == f"合成标题\n{POST}"
    assert opened.get_by_label("Token").input_value() == TOKEN
    opened.get_by_role("button", name="Submit").focus()
    assert filed(engine) == []
    opened.keyboard.press("Enter")
    assert "Submitted" in status_text(opened, "Submitted")
    assert len(filed(engine)) == 1


def test_a_refusal_is_in_the_language_of_the_page_and_a_wrong_token_is_forgotten(
    window: BrowserContext, web: Served
) -> None:
    page = window.new_page()
    page.goto(f"{web.origin}/inbox")
    page.evaluate(f"localStorage.setItem('mparchive-inbox-token', '{TOKEN}')")
    page.reload()
    page.get_by_label("Address").fill("<img src=x onerror=document.title=1>")
    page.get_by_role("button", name="Submit").click()
    assert "没有" not in status_text(page, "there is no address")
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Submit").click()
    assert "口令" not in status_text(page, "token is missing or wrong")
    assert page.evaluate("localStorage.getItem('mparchive-inbox-token')") == ""
    assert page.title() == "Submit a link · mparchive"
    page.goto(f"{web.origin}/inbox?lang=zh")
    page.get_by_label("文章链接").fill("合成")
    page.get_by_label("口令").fill(TOKEN)
    page.get_by_role("button", name="提交").click()
    assert "没有文章链接" in status_text(page, "没有")
    assert page.url == f"{web.origin}/inbox?lang=zh"


def test_without_javascript_it_is_a_plain_form(
    plain_window: BrowserContext, web: Served, engine: Engine
) -> None:
    page = plain_window.new_page()
    page.goto(f"{web.origin}/inbox")
    page.get_by_label("Address").fill(f"合成标题 {POST} https://example.com/<b>x")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Submit").click()
    assert status_text(page, "Submitted").splitlines()[0] == "Submitted: 合成标题 <b>x"
    assert "Not taken: https://example.com/" in status_text(page, "Submitted")
    assert [url for url, _ in filed(engine)] == [POST]


def test_the_page_keeps_its_content_security_policy(window: BrowserContext, web: Served) -> None:
    page = window.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{web.origin}/inbox")
    assert page.locator("#offer").is_visible()
    assert not page.locator("[name=username]").is_visible()  # it is there for what remembers passwords
    assert page.get_by_role("link", name="Submit a link").get_attribute("aria-current") == "page"
    assert page.evaluate("getComputedStyle(document.querySelector('#button')).minHeight") == "48px"
    assert complaints == []
