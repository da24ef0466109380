"""Finds Chromium and its launch options. Imports nothing of Playwright."""

import os
import shutil
from collections.abc import Mapping
from typing import Any

from archive.domain.messages import Message

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

LAUNCH_TIMEOUT = 30_000  # milliseconds

HEAP_MB = 256  # of a page's JavaScript; a post needs under 100

NO_IMAGES = "--blink-settings=imagesEnabled=false"  # refusing them one by one would take a minute for 10,000

_ARGUMENTS = (
    # Every request is answered by crawler.browser.request_gate; Chromium itself resolves no host.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    f"--js-flags=--max-old-space-size={HEAP_MB}",
    "--disable-background-networking",
    "--disable-dev-shm-usage",  # containers give /dev/shm only 64 MB
    "--disable-gpu",
    NO_IMAGES,
    # A request that bypasses the gate all the same, such as one to a numeric address, finds no proxy.
    "--proxy-server=127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
    # WebRTC sends UDP itself and asks neither the gate nor the proxy. Old releases know the second name only.
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--block-new-web-contents",  # pop-ups
    "--deny-permission-prompts",
)

REMEDY = Message("crawler.browser.install")  # what to do when there is no Chromium


def find_chromium(configured: str = "") -> str | None:
    """Return the configured Chromium, else the system's; None leaves it to Playwright's own download."""
    if configured:
        return configured
    return next((path for path in map(shutil.which, _NAMES) if path), None)


def launch_options(configured: str = "", sandbox: bool = True) -> dict[str, Any]:
    """Return Playwright's launch options: headless, and in Chromium's sandbox, which root cannot have."""
    options: dict[str, Any] = {
        "headless": True,
        "chromium_sandbox": sandbox and (not hasattr(os, "geteuid") or os.geteuid() != 0),
        "ignore_default_args": ["--disable-popup-blocking"],
        "timeout": LAUNCH_TIMEOUT,
        "args": list(_ARGUMENTS),
    }
    path = find_chromium(configured)
    return options | ({"executable_path": path} if path else {})


def print_options(launch: Mapping[str, Any]) -> dict[str, Any]:
    """Return these launch options for a browser that prints archived pages: it shows their own images."""
    return {**launch, "args": [argument for argument in launch["args"] if argument != NO_IMAGES]}
