"""A user's own browser profile, in a real Chromium against the stand-in."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crawler import settings as crawl_settings
from crawler.browser import own_profile
from crawler.browser.own_profile import (
    BrowserSettings,
    NobodySignedIn,
    SignIn,
    open_profile,
    sign_in,
    visit_page,
)
from crawler.browser.renderer import BrowserMissing
from crawler.discovery.source import Fetch, Reply, SourceFindings, SourceRun, State
from crawler.discovery.sources.weread import WEREAD_HOST, WeRead
from crawler.discovery.weread_login import ProfileBusy, WeReadLogin
from tests.crawler.discovery.driving import NOW
from tests.standin import Standin
from tests.standin.account import COMMISSION
from tests.standin.week import WEEK
from tests.standin.weread import COOKIES

CODES = ("[class*=qrcode] canvas",)
OWN = [post for post in WEEK if post.account == COMMISSION]


@pytest.fixture(scope="module")
def standin() -> Iterator[Standin]:
    with Standin(week=True) as running:
        yield running


@pytest.fixture
def browser(standin: Standin) -> Iterator[BrowserSettings]:
    launch = crawl_settings.PLAYWRIGHT_LAUNCH_OPTIONS
    yield BrowserSettings(launch, crawl_settings.USER_AGENT, standin.origin)
    standin.source("weread", None)


@pytest.fixture
def login(tmp_path: Path) -> WeReadLogin:
    login = WeReadLogin(tmp_path)
    login.prepare()
    return login


def look(login: WeReadLogin, browser: BrowserSettings) -> tuple[SourceFindings, list[Fetch]]:
    """Run the source with real visits; a request by plain HTTP is not answered."""
    run = SourceRun(WeRead(COMMISSION.biz, login), {}, NOW)
    step, asked = run.step(), []
    while isinstance(step, Fetch):
        asked.append(step)
        reply = Reply(503)
        if step.visit:
            reply = asyncio.run(visit_page(step.url, step.visit, browser))
        step = run.step(reply)
    return step, asked


def signed_in(login: WeReadLogin, browser: BrowserSettings, standin: Standin) -> list[bytes]:
    """Sign in as a person would, who scans the code once it is shown; return the images."""
    images: list[bytes] = []

    def show(image: bytes) -> None:
        images.append(image)
        standin.weread("scan")

    how = SignIn(f"https://{WEREAD_HOST}/#login", CODES, frozenset({"wr_vid", "wr_skey"}), show)
    login.signed_in(asyncio.run(sign_in(login.profile, browser, how, 60)))
    return images


def test_the_list_is_read_from_what_the_page_itself_receives(
    login: WeReadLogin, browser: BrowserSettings, standin: Standin
) -> None:
    images = signed_in(login, browser, standin)
    assert images[0].startswith(b"\x89PNG")
    assert login.cookies() == COOKIES
    standin.source("weread", "signature")  # without a good signature no list is answered
    standin.forget()
    found, asked = look(login, browser)
    assert (found.state, len(asked)) == (State.OK, 1), found
    assert {post.url for post in found.posts} == {post.short_url for post in OWN}
    lists = [path for path in standin.stats()["paths"] if path.endswith("/web/mp/articles")]
    assert len(lists) == 1, "its first page only"
    assert login.record().way == "reader"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("captcha", (State.RATE_LIMITED, "captcha")),
        ("closed", (State.RATE_LIMITED, "signature")),
        ("frequent", (State.RATE_LIMITED, "too_often")),
        ("expired", (State.LOGIN_EXPIRED, "login_expired")),
    ],
)
def test_a_page_that_wants_a_person_or_is_refused_ends_the_look(
    login: WeReadLogin, browser: BrowserSettings, standin: Standin, fault: str, expected: tuple[State, str]
) -> None:
    state, problem = expected
    login.signed_in(COOKIES)  # the profile gets its session from the cookies
    standin.source("weread", fault)
    found, asked = look(login, browser)
    assert (found.state, len(asked)) == (state, 1), found
    assert (login.record().problem, bool(login.record().rest_until)) == (problem, True)


def test_a_session_renewed_since_is_given_to_the_profile(
    login: WeReadLogin, browser: BrowserSettings, standin: Standin
) -> None:
    signed_in(login, browser, standin)
    login.save_cookies(COOKIES | {"wr_skey": "synthetic-skey-of-nobody"})
    found, _ = look(login, browser)
    assert found.state is State.LOGIN_EXPIRED


def test_a_page_that_receives_no_list_leaves_it_to_the_next_way(
    login: WeReadLogin, browser: BrowserSettings, standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_profile, "LIST_TIMEOUT", 2.0)
    monkeypatch.setattr("crawler.discovery.sources.weread.LIST_PATH", "/web/mp/other")
    login.signed_in(COOKIES)
    found, asked = look(login, browser)
    assert [bool(one.visit) for one in asked] == [True, False]
    assert found.state is State.UNREACHABLE, "of the request by plain HTTP"


def test_a_profile_that_another_process_holds_is_one_sentence(
    login: WeReadLogin, browser: BrowserSettings
) -> None:
    login.signed_in(COOKIES)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with login.hold_profile():
            held.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    try:
        found, _ = look(login, browser)
    finally:
        done.set()
        holder.join()
    assert found.state is State.UNREACHABLE
    assert found.detail
    assert found.detail.code == "crawler.weread.profile_busy"


def test_a_profile_that_another_browser_holds_is_the_same_sentence(
    login: WeReadLogin, browser: BrowserSettings
) -> None:
    async def twice() -> None:
        async with open_profile(login.profile, browser), open_profile(login.profile, browser):
            pass

    with pytest.raises(ProfileBusy, match="another process uses the browser profile"):
        asyncio.run(twice())


def test_a_code_that_nobody_scans_ends_the_sign_in(login: WeReadLogin, browser: BrowserSettings) -> None:
    images: list[bytes] = []
    how = SignIn(f"https://{WEREAD_HOST}/#login", CODES, frozenset({"wr_skey"}), images.append)
    with pytest.raises(NobodySignedIn, match="nobody scanned the code within 3 s"):
        asyncio.run(sign_in(login.profile, browser, how, 3))
    assert len(images) == 1, "the same code is shown once"
    unknown = SignIn(how.url, (".nothing",), how.needed, images.append)
    with pytest.raises(NobodySignedIn, match="showed no code"):
        asyncio.run(sign_in(login.profile, browser, unknown, 1))


def test_without_chromium_it_says_what_to_install(login: WeReadLogin, browser: BrowserSettings) -> None:
    launch: dict[str, Any] = {**browser.launch, "executable_path": "/nowhere/chromium"}
    missing = BrowserSettings(launch, browser.user_agent, browser.loopback)

    async def start() -> None:
        async with open_profile(login.profile, missing):
            pass

    with pytest.raises(BrowserMissing):
        asyncio.run(start())
