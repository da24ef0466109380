"""The gate before a page in real Chromium: what it lets through, and what never leaves the browser."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import async_playwright
from scrapy import Request
from scrapy.http import Response

from crawler.browser.launch_options import launch_options
from crawler.browser.request_gate import RequestGate

ADDRESS = "https://mp.weixin.qq.com/s/synthetic"
SCRIPT = "https://mp.weixin.qq.com/a.js"
OTHER = "https://res.synthetic.invalid/b.js"
HTML = (
    f'<p>x</p><script src="{SCRIPT}"></script><script src="{OTHER}"></script><iframe src="{SCRIPT}"></iframe>'
)
pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("needs_chromium")]


def opened(
    answers: Mapping[str, Response], hosts: frozenset[str] = frozenset()
) -> tuple[RequestGate, list[str]]:
    """Open the page in Chromium behind a gate; return the gate, and what was fetched."""
    fetched: list[str] = []

    async def fetch(request: Request) -> Response:
        fetched.append(request.url)
        return answers[request.url]

    async def visit() -> RequestGate:
        gate = RequestGate(fetch, hosts)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(**launch_options())
            page = await (await browser.new_context()).new_page()
            await gate.open(page, Request(ADDRESS))
            with suppress(PlaywrightError):  # of what the gate refuses
                await page.goto(ADDRESS, wait_until="load")
            await browser.close()
        return gate

    return asyncio.run(visit()), fetched


def html(body: str = HTML, **more: str) -> Response:
    return Response(ADDRESS, headers={"Content-Type": "text/html", **more}, body=body.encode())


def script(url: str) -> Response:
    return Response(url, headers={"Content-Type": "text/javascript"}, body=b"1")


def test_a_page_gets_its_scripts_of_wechats_host_and_no_others() -> None:
    gate, fetched = opened({ADDRESS: html(), SCRIPT: script(SCRIPT)})
    assert fetched == [ADDRESS, SCRIPT]
    assert (gate.page is not None, gate.files) == (True, 1)


def test_further_hosts_can_be_allowed() -> None:
    _, fetched = opened(
        {ADDRESS: html(), SCRIPT: script(SCRIPT), OTHER: script(OTHER)}, frozenset({"res.synthetic.invalid"})
    )
    assert sorted(fetched) == sorted([ADDRESS, SCRIPT, OTHER])


def test_a_redirect_is_not_followed_by_the_browser() -> None:
    gate, fetched = opened({ADDRESS: Response(ADDRESS, status=302, headers={"Location": SCRIPT})})
    assert fetched == [ADDRESS]
    assert gate.redirect is not None
    assert gate.page is None


def test_a_file_in_place_of_the_page_is_named() -> None:
    gate, _ = opened({ADDRESS: html(**{"Content-Disposition": "attachment; filename=x.html"})})
    assert gate.failure is not None
    assert gate.failure.code == "crawler.browser.not_a_page"
