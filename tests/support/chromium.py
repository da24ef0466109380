"""Provide a real Chromium for tests of pages."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from crawler.browser.launch_options import find_chromium

# What a reader, or time, may set off in a page.
TOUCHED = """() => document.querySelectorAll('*').forEach(element => {
    for (const name of ['mouseover', 'focus', 'toggle', 'load', 'error', 'animationstart', 'begin'])
        element.dispatchEvent(new Event(name));
})"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Yield one browser for a module; each test opens its own windows."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()
