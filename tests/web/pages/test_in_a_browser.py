"""The web UI in a real browser: without scripts, by keyboard, on a phone, in dark mode.

Whatever posts hold, none of it runs, and no other server gets a request.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route

from archive.db.engine import transaction
from tests.archive.making import BIZ
from tests.archive.rendering.hostile import ASKING, PRETENDING, RUNNING
from tests.support.chromium import TOUCHED
from tests.web.conftest import SeededSite
from tests.web.pages.page_requests import PAGES
from tests.web.seeding import EDITED, invented, page_of, put_pages

pytestmark = pytest.mark.browser
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1100, "height": 900}
LONG_AGO = datetime(2012, 8, 31, 4, 0, tzinfo=UTC)
DAY = "2012-08-30"
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    "resultTypes": ["violations"],  # in half the time
    "iframes": False,  # what posts themselves look like is not ours
}
HOSTILE = {**RUNNING, **ASKING, **PRETENDING}
_BROKEN_DATES = """() => [...document.querySelectorAll('td, th')]
    .filter(cell => /^\\d{4}-\\d\\d-\\d\\d( \\d\\d:\\d\\d)?$/.test(cell.innerText.trim()))
    .filter(cell => { const range = document.createRange(); range.selectNodeContents(cell);
        return new Set([...range.getClientRects()].map(one => Math.round(one.top / 6))).size > 1 })
    .map(cell => cell.innerText)"""
_NARROW_WORDS = """() => [...document.querySelectorAll('td')]
    .filter(cell => cell.clientWidth < 100 && cell.innerText.length > 30).map(cell => cell.innerText)"""
_TOO_WIDE = "() => document.documentElement.scrollWidth > innerWidth"


@dataclass
class Reader:
    """A person's browser: `requested` holds addresses elsewhere, `complaints` console messages and errors."""

    browser: Browser
    site: SeededSite
    requested: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def window(self, **options: object) -> Page:
        """Open a window that reaches nothing but the web UI."""
        context: BrowserContext = self.browser.new_context(**{"viewport": DESK, **options})  # type: ignore[arg-type]  # as Playwright names them
        context.set_default_timeout(30_000)
        context.route("**/*", self._on_request)
        page = context.new_page()
        page.on("console", lambda message: self.complaints.append(f"{page.url}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        return page

    def at(self, path: str) -> str:
        """Return the address of a page."""
        return f"{self.site.web.origin}{path}"

    def _on_request(self, route: Route) -> None:
        address = route.request.url
        if address.startswith((self.site.web.origin, "data:")):
            route.continue_()
        else:
            self.requested.append(address)
            route.abort()


@pytest.fixture
def reader(chromium: Browser, site: SeededSite) -> Iterator[Reader]:
    """Open a browser; after the test, no other server got a request and no page broke its own policy."""
    reader = Reader(chromium, site)
    yield reader
    for context in chromium.contexts:
        context.close()
    assert reader.requested == []
    assert [one for one in reader.complaints if "404" not in one] == []


def test_without_scripts_a_person_can_find_read_and_compare_a_post(reader: Reader) -> None:
    page = reader.window(java_script_enabled=False, locale="zh-CN")
    page.goto(reader.at("/"))
    page.get_by_role("link", name="搜索").click()
    page.get_by_label("关键词").fill("截止时间")
    page.get_by_role("button", name="搜索").click()
    assert page.locator("mark").all_inner_texts() == ["截止时间"]
    page.get_by_role("link", name="关于合成项目的通知").click()
    assert "本次申报截止时间为十一月二十日" in page.locator(".text").inner_text()
    page.get_by_role("link", name="历史").click()
    assert page.locator("ins").inner_text().endswith("二")
    assert page.locator("del").inner_text().endswith("五")
    page.get_by_role("link", name="English").click()
    assert page.get_by_role("heading", name="Timeline").is_visible()
    page.get_by_role("link", name="Page", exact=True).click()
    frame = page.frame_locator("iframe")
    assert "十一月二十日" in frame.locator("main").inner_text()
    page.get_by_role("link", name="Posts", exact=True).click()
    page.get_by_label("Kind").select_option("picture")
    page.get_by_role("button", name="Show").click()
    assert set(page.locator(".kind").all_inner_texts()) == {"pictures"}


def test_the_keyboard_reaches_everything_and_focus_is_visible(reader: Reader) -> None:
    page = reader.window()
    page.goto(reader.at("/?lang=en"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Skip to the content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Atom"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.push li') !== null"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/posts/**")


def test_shortcuts_move_through_a_list_open_posts_and_go_to_the_search(reader: Reader) -> None:
    page = reader.window(locale="en-GB")
    page.goto(reader.at("/?lang=en"))
    titles = page.locator(".push li > div > a").all_inner_texts()

    def focused() -> str:
        return str(page.evaluate("document.activeElement.innerText"))

    for key, title in (("j", titles[0]), ("j", titles[1]), ("j", titles[2]), ("k", titles[1])):
        page.keyboard.press(key)
        assert focused() == title
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("j")  # which leaves the page as it is
    page.keyboard.press("Escape")
    assert focused() == titles[1]
    page.keyboard.press("o")
    page.wait_for_url("**/posts/**")
    assert page.locator("h1").inner_text() == titles[1]
    page.keyboard.press("/")
    page.wait_for_url("**/search?lang=en")
    page.keyboard.press("/")
    page.keyboard.type("j/o?")
    assert page.locator("#q").input_value() == "j/o?"


def test_shortcuts_can_be_switched_off(reader: Reader) -> None:
    page = reader.window(locale="zh-CN")
    page.goto(reader.at("/"))
    page.get_by_role("button", name="键盘快捷键").click()
    page.get_by_label("启用单键快捷键").uncheck()
    page.get_by_role("button", name="关闭").click()
    page.reload()
    page.keyboard.press("?")
    assert not page.get_by_role("dialog").is_visible()
    page.get_by_role("button", name="键盘快捷键").click()
    page.get_by_label("启用单键快捷键").check()
    page.get_by_role("button", name="关闭").click()
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()


@pytest.mark.parametrize("scripts", [False, True])
def test_the_images_of_a_post_are_seen_one_by_one(reader: Reader, *, scripts: bool) -> None:
    page = reader.window(java_script_enabled=scripts)
    page.goto(reader.at("/?lang=en&kind=picture"))
    page.locator(".push li > div > a").first.click()
    images = page.locator(".pictures a")
    assert images.count() > 1
    images.first.click()
    shown = page.locator(".viewer:visible")
    assert shown.get_attribute("id") == "image-1"
    if scripts:
        page.keyboard.press("ArrowRight")
    else:
        shown.get_by_role("link", name="Next").click()
    assert shown.get_attribute("id") == "image-2"
    page.go_back()
    assert shown.get_attribute("id") == "image-1"
    if scripts:
        page.keyboard.press("Escape")
    else:
        shown.get_by_role("link", name="Close").click()
    assert shown.count() == 0


def test_no_page_violates_wcag_in_either_language_or_colour_scheme(reader: Reader) -> None:
    axe, found = Axe(), {}
    for lang, scheme in (("en", "light"), ("zh", "dark")):
        page = reader.window(color_scheme=scheme)
        for path in (*PAGES, "/inbox"):
            page.goto(reader.at(f"{path}{'&' if '?' in path else '?'}lang={lang}"))
            violations = axe.run(page, options=RULES).response["violations"]
            found[path, lang] = [(one["id"], one["nodes"][0]["html"][:200]) for one in violations]
    assert {name: what for name, what in found.items() if what} == {}


def test_on_a_phone_no_page_scrolls_sideways_and_dark_mode_is_dark(reader: Reader) -> None:
    page = reader.window(viewport=PHONE, color_scheme="dark")
    wide = []
    for path in PAGES:
        page.goto(reader.at(path))
        wide += [path] if page.evaluate(_TOO_WIDE) else []
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 23)"
    assert wide == []
    page.emulate_media(media="print")  # paper is light
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(251, 250, 247)"


def test_on_a_phone_tables_and_charts_are_readable(reader: Reader) -> None:
    page = reader.window(viewport=PHONE)
    for path in PAGES:
        page.goto(reader.at(path))
        assert page.evaluate(_BROKEN_DATES) == [], path
        assert page.evaluate(_NARROW_WORDS) == [], path
    for path in (f"/accounts/{BIZ}/calendar", "/health"):
        page.goto(reader.at(path))
        heights = page.evaluate("() => [...document.querySelectorAll('.area')].map(a => a.getBBox().height)")
        assert heights, path
        assert min(heights) > 100, path


def test_a_title_with_a_direction_override_does_not_affect_its_surroundings(reader: Reader) -> None:
    turning = invented("12900_1", "\u202e合成 gnp.exe", "字。\r", day="2012-08-29")
    with transaction(reader.site.engine) as session:
        put_pages(session, [page_of(turning)], LONG_AGO)
    page = reader.window()
    page.goto(reader.at(f"/accounts/{BIZ}?until=2012-08-29"))
    title, kind = page.locator(".push li a").bounding_box(), page.locator(".push li .kind").bounding_box()
    assert title
    assert kind
    assert kind["x"] >= title["x"] + title["width"]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_eight_posts_are_on_a_screen_of_a_desktop(reader: Reader, lang: str) -> None:
    page = reader.window(viewport={"width": 1280, "height": 800})
    page.goto(reader.at(f"/?until=2025-11-13&lang={lang}"), wait_until="load")
    bottoms = "[...document.querySelectorAll('.push li')].map(one => one.getBoundingClientRect().bottom)"
    assert sum(bottom <= 800 for bottom in page.evaluate(bottoms)) >= 8
    sized = "[...document.querySelectorAll('main img')].every(one => one.width && one.height)"
    assert page.evaluate(sized)


def test_images_are_loaded_from_the_archive(reader: Reader) -> None:
    page = reader.window()
    for path in ("/posts/Mzk5OTAwMDAwMQ==/2650000101_1", "/accounts/Mzk5OTAwMDAwMQ==?until=2025-11-08"):
        page.goto(reader.at(path), wait_until="load")
        shown = "[...document.images].map(i => (i.loading = 'eager', i.decode().then(() => i.naturalWidth)))"
        widths = page.evaluate(f"() => Promise.all({shown})")
        assert widths
        assert all(widths)


# What no page of ours has: the other scripts are data, which no browser runs, and our own file.
_CODE = 'script:not([type="application/ld+json"]):not(head > script[src^="/static/keys-"])'


def test_hostile_posts_run_nothing_wherever_they_are_shown(reader: Reader) -> None:
    """Each body as the offline page; as titles and texts on every page."""
    aids = [f"{13_000 + number}_1" for number in range(len(HOSTILE))]
    assert len(HOSTILE) > 60
    posts = [invented(aid, body, body, body, DAY) for aid, body in zip(aids, HOSTILE.values(), strict=True)]
    with transaction(reader.site.engine) as session:
        put_pages(session, [page_of(one) for one in posts], LONG_AGO)
    assert _ran_in_frames(reader, aids) == []
    assert reader.requested == []
    reader.complaints.clear()  # the policy may speak up where a frame holds something: it is what holds it
    page = reader.window()
    for path in _where_shown(aids):
        page.goto(reader.at(path), wait_until="load")
        page.evaluate(TOUCHED)
        assert page.evaluate("() => window.ran === undefined"), path
        assert page.locator(f"{_CODE}, [onerror], [onload], base").count() == 0


def _ran_in_frames(reader: Reader, aids: list[str]) -> list[str]:
    """Show all of them at once, each in a frame of its own with the rights the web UI gives it."""
    page = reader.window()
    frames = "".join(f'<iframe src="/posts/{BIZ}/{aid}/offline"></iframe>' for aid in aids)
    page.route(reader.at("/all-at-once"), lambda route: route.fulfill(body=frames, content_type="text/html"))
    page.goto(reader.at("/all-at-once"), wait_until="load")
    shown = [frame for frame in page.frames if frame.url.endswith("/offline")]
    assert len(shown) == len(aids)
    assert all(frame.locator("footer").count() for frame in shown[:3])
    return [frame.url for frame in shown if frame.evaluate("() => window.ran !== undefined")]


def _where_shown(aids: list[str]) -> Iterator[str]:
    """Yield lists with their titles, and some of them as text, framed, as history, version and citation."""
    yield f"/accounts/{BIZ}?until={DAY}"
    yield "/changes?until=2012-12-31"
    yield f"/search?q={quote('window.ran')}&until={DAY}"
    for aid in aids[:: len(aids) // 5]:
        for view in ("", "/page", "/history", "/versions/1", "/cite"):
            yield f"/posts/{BIZ}/{aid}{view}"


def test_a_browser_shows_a_capture_as_text(reader: Reader) -> None:
    page = reader.window()
    page.goto(reader.at(f"/posts/{BIZ}/{EDITED}/captures"))
    page.get_by_role("link", name="source").first.click()
    assert "<script>window.ran=1</script>" in page.locator("pre").inner_text()
    assert page.evaluate("() => window.ran === undefined")
