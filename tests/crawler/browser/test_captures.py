"""The static reader and the browser held against each other, on every real capture of a post."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright
from scrapy import Request
from scrapy.http import Response

from archive.domain.outcomes import Kind
from archive.domain.parsed_page import ParsedPage
from crawler.browser.launch_options import launch_options
from crawler.browser.request_gate import RequestGate
from crawler.browser.snapshot import take_snapshot
from crawler.parse.body import text_of_html
from crawler.parse.html_outline import outline
from crawler.parse.page import AGREEMENT, AGREES, read_page
from tests.crawler.parse.test_captures import FOLDERS
from tests.support.captures import capture, capture_names, expected_ids, expected_texts, needs_captures

POSTS = ("article_normal", "article_share", "article_picture", "article_text", "article_video")
ADDRESS = "https://mp.weixin.qq.com/s/synthetic"
TABLE = Path(__file__).parents[3] / "artefacts" / "static-and-browser.md"
AT_ONCE = 3  # a page mostly waits until nothing moves any more
pytestmark = [pytest.mark.browser, needs_captures]


@dataclass
class Both:
    """One capture, parsed as served and as rendered; `asked`: what Chromium requested and did not get."""

    name: str
    static: ParsedPage
    rendered: ParsedPage
    asked: int

    @property
    def shown(self) -> float:
        """The share of the text that the browser showed."""
        return float(self.rendered.page[AGREES])


async def _read_all() -> list[Both]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**launch_options())
        turns = asyncio.Semaphore(AT_ONCE)
        return await asyncio.gather(*(_in_turn(turns, browser, name) for name in capture_names(*POSTS)))


async def _in_turn(turns: asyncio.Semaphore, browser: Browser, name: str) -> Both:
    async with turns:
        return await _read_both(browser, name)


async def _read_both(browser: Browser, name: str) -> Both:
    served = capture(name)
    gate = _gate_before(served)
    context = await browser.new_context(locale="zh-CN", timezone_id="Asia/Shanghai")
    page = await context.new_page()
    await gate.open(page, Request(ADDRESS))
    await page.goto(ADDRESS, wait_until="commit")
    rendered = await take_snapshot(page, gate)
    await context.close()
    return Both(name, read_page(served), read_page(rendered.body, evaluated=rendered.evaluated), gate.files)


def _gate_before(served: bytes) -> RequestGate:
    """Give the page, and nothing else."""

    async def fetch(request: Request) -> Response:
        if request.url != ADDRESS:
            raise OSError("only the page itself was captured")
        return Response(request.url, headers={"Content-Type": "text/html; charset=UTF-8"}, body=served)

    return RequestGate(fetch)


def test_static_and_browser_read_the_same_of_every_capture() -> None:
    """One test, because one browser draws them all; what it found also goes into a table."""
    all_read = asyncio.run(_read_all())
    _write_table(all_read)
    assert len(all_read) >= 36
    assert {both.name: found for both in all_read if (found := _differences(both))} == {}
    hidden = [both for both in all_read if both.shown < AGREEMENT]
    assert [both.name for both in hidden if not _is_drawn_from_elsewhere(both)] == []


def _differences(both: Both) -> list[str]:
    """Compare the record byte for byte, and everything else that the page says."""
    static, rendered = _told(both.static), _told(both.rendered)
    return [name for name in static.keys() | rendered.keys() if static.get(name) != rendered.get(name)]


def _told(reading: ParsedPage) -> dict[str, Any]:
    """All of a reading but its HTML: scripts hang classes and sizes on it, and serializing orders it anew.

    Of a video only the id: a page of 2017 gives its player today's address, and the window's width.
    """
    # Whether the copies of the body agree can only be told of the page as it was served.
    page = {name: value for name, value in reading.page.items() if name not in (AGREES, "copies")}
    videos = [video.get("id") for video in page.pop("videos", [])]
    read = {"outcome": reading.outcome, "kind": reading.kind, "record": reading.record, "videos": videos}
    return {**page, **read, "media": reading.media, "links": reading.links}


def _is_drawn_from_elsewhere(both: Both) -> bool:
    """Scripts of other hosts draw today's picture posts, and shares whose body is not in the page."""
    body = outline(capture(both.name)).body or ""
    return both.static.kind in (Kind.PICTURE, Kind.SHARE) and not text_of_html(body)


def _write_table(all_read: list[Both]) -> None:
    kinds: dict[str, list[Both]] = defaultdict(list)
    for both in all_read:
        kinds[str(both.static.kind)].append(both)
    rows = [
        f"| {kind} | {len(tried)} | {_right(tried, 'static')} | {_right(tried, 'rendered')} "
        f"| {sum(both.shown >= AGREEMENT for both in tried)} |"
        for kind, tried in kinds.items()
    ]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("\n".join([*_HEAD, *rows]) + "\n", encoding="utf-8")


_HEAD = (
    "| kind | captures | right, static | right, browser | text also shown without other hosts |",
    "|---|---|---|---|---|",
)


def _right(tried: list[Both], way: str) -> int:
    return sum(_is_right(both.name, getattr(both, way)) for both in tried)


def _is_right(name: str, reading: ParsedPage) -> bool:
    """Held against what the folder, EXPECTED_IDS.tsv and EXPECTED_FINAL_CONTENT.json say of a capture."""
    if (reading.outcome, reading.kind) != FOLDERS[name.partition("/")[0]] or reading.record is None:
        return False
    row, text = expected_ids().get(name, {}), expected_texts().get(name)
    known = [field for field in ("biz", "mid", "idx", "sn", "ct", "user_name") if row.get(field)]
    named = all(str(reading.page.get(field)) == row[field] for field in known)
    return named and text in (None, reading.record.text)
