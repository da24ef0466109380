"""Snapshots of pages in real Chromium: DOM, values and text, and pages that give none."""

import asyncio

import pytest
from playwright.async_api import async_playwright
from scrapy import Request
from scrapy.http import Response

from crawler.browser.launch_options import launch_options
from crawler.browser.request_gate import RequestGate
from crawler.browser.snapshot import RenderedPage, RenderError, take_snapshot

ADDRESS = "https://mp.weixin.qq.com/s/synthetic"
pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("needs_chromium")]


def snapshot(body: str) -> RenderedPage:
    async def fetch(request: Request) -> Response:
        return Response(request.url, headers={"Content-Type": "text/html; charset=utf-8"}, body=body.encode())

    async def visit() -> RenderedPage:
        gate = RequestGate(fetch)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(**launch_options())
            page = await (await browser.new_context()).new_page()
            await gate.open(page, Request(ADDRESS))
            await page.goto(ADDRESS, wait_until="commit")
            try:
                return await take_snapshot(page, gate)
            finally:
                await browser.close()

    return asyncio.run(visit())


def test_a_snapshot_has_the_dom_the_values_and_the_text() -> None:
    page = snapshot("<!DOCTYPE html><p>一</p><script>var biz = 'B'; document.body.append('二')</script>")
    assert page.body.startswith(b"<!DOCTYPE html>")
    assert "二".encode() in page.body
    assert (page.evaluated["biz"], page.cut) == ("B", False)
    assert "一" in page.evaluated["text"]
    assert "二" in page.evaluated["text"]


def test_what_a_page_redefines_changes_neither_dom_nor_text() -> None:
    page = snapshot(
        "<p>一</p><script>JSON.stringify = Reflect.get = () => 'x'; window.Document = null;</script>"
    )
    assert "<p>一</p>".encode() in page.body
    assert "一" in page.evaluated["text"]


def test_a_getter_that_never_returns_is_ended() -> None:
    body = "<script>Object.defineProperty(window, 'biz', {get() { for (;;); }});</script>"
    with pytest.raises(RenderError) as error:
        snapshot(body)
    assert error.value.message.code == "crawler.browser.values_too_slow"
