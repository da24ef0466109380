"""The gate before a page in real Chromium: what it lets through, and what never leaves the browser."""

import asyncio
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress

import pytest
from playwright.async_api import Browser, async_playwright
from playwright.async_api import Error as PlaywrightError
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
# Asks a STUN and a TURN server for its address, and opens a WebTransport; each would send UDP.
SENDS_UDP = """<p>x</p><script>
    const peers = ['stun:127.0.0.1:%(port)d', 'turn:127.0.0.1:%(port)d?transport=udp'].map(urls => {
        const peer = new RTCPeerConnection({iceServers: [{urls, username: 'a', credential: 'b'}]});
        peer.createDataChannel('x');
        peer.createOffer().then(offer => peer.setLocalDescription(offer));
        return peer;
    });
    let failed = false;
    new WebTransport('https://127.0.0.1:%(port)d/').ready.catch(() => { failed = true; });
    window.ended = () => failed && peers.every(peer => peer.iceGatheringState === 'complete');
</script>"""
SECONDS = 60.0  # within which a page has sent its first packet, or given up
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


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    """Listen for UDP on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener


def packets(listener: socket.socket) -> int:
    """Count the packets that have arrived."""
    listener.setblocking(False)
    number = 0
    with suppress(BlockingIOError):
        while listener.recv(65536):
            number += 1
    return number


async def open_sender(browser: Browser, port: int, *, until_ended: bool) -> None:
    """Open the page that sends UDP; wait until it gave up, or got a packet through."""

    async def fetch(_request: Request) -> Response:
        return html(SENDS_UDP % {"port": port})

    page = await (await browser.new_context()).new_page()
    await RequestGate(fetch).open(page, Request(ADDRESS))
    await page.goto(ADDRESS, wait_until="load")
    if until_ended:
        await page.wait_for_function("window.ended()", timeout=SECONDS * 1000)


def test_a_page_sends_no_udp(udp: socket.socket) -> None:
    async def visit() -> None:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(**launch_options())
            await open_sender(browser, udp.getsockname()[1], until_ended=True)
            await browser.close()

    asyncio.run(visit())
    assert packets(udp) == 0


def test_without_the_policy_the_same_page_sends_udp(udp: socket.socket) -> None:
    """Check that the test above can fail: nothing else holds the packets back."""
    options = launch_options()
    options["args"] = [argument for argument in options["args"] if "webrtc" not in argument]
    udp.settimeout(SECONDS)

    async def visit() -> bytes:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(**options)
            await open_sender(browser, udp.getsockname()[1], until_ended=False)
            packet = await asyncio.to_thread(udp.recv, 65536)
            await browser.close()
        return packet

    assert asyncio.run(visit())
