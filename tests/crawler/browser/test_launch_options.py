"""Chromium is found where it is configured; a browser for printing differs by its images only."""

from pathlib import Path

import pytest

from crawler.browser.launch_options import NO_IMAGES, find_chromium, launch_options, print_options


def test_the_configured_chromium_comes_before_that_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "chromium-browser"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_chromium("/opt/chromium") == "/opt/chromium"
    assert find_chromium() == str(program)
    assert launch_options()["executable_path"] == str(program)
    monkeypatch.setenv("PATH", "")
    assert find_chromium() is None
    assert "executable_path" not in launch_options()


def test_a_browser_for_printing_shows_images_and_has_no_network_either() -> None:
    fetching = launch_options("/opt/chromium")
    printing = print_options(fetching)
    assert [one for one in fetching["args"] if one not in printing["args"]] == [NO_IMAGES]
    assert "--proxy-server=127.0.0.1:9" in printing["args"]
    assert {**printing, "args": None} == {**fetching, "args": None}
