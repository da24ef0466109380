"""The options of Chromium: it reaches nothing by itself, and shows images only to print."""

from pathlib import Path

import pytest

from crawler.browser.launch_options import NO_IMAGES, find_chromium, launch_options, print_options


def test_the_configured_chromium_is_taken_before_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "chromium"
    system.write_text("#!/bin/sh\n")
    system.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_chromium() == str(system)
    assert launch_options("/opt/chrome")["executable_path"] == "/opt/chrome"
    system.unlink()
    assert find_chromium() is None
    assert "executable_path" not in launch_options()  # Playwright's own


def test_chromium_resolves_no_host_and_has_no_proxy_that_answers() -> None:
    arguments = launch_options()["args"]
    assert "--host-resolver-rules=MAP * ~NOTFOUND" in arguments
    assert "--proxy-server=127.0.0.1:9" in arguments
    assert NO_IMAGES in arguments


def test_only_printing_shows_images() -> None:
    options = launch_options()
    printing = print_options(options)
    assert set(options["args"]) - set(printing["args"]) == {NO_IMAGES}
    assert NO_IMAGES in options["args"]  # unchanged
