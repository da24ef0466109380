"""Checks of the live site, on the stand-in: all as expected, differences, and a demand for verification."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mparchive.commands.live_check import MAX_ADDRESSES, LiveCheckOptions, live_check
from mparchive.errors import CommandError, Exit
from tests.acceptance.command import Command, Done
from tests.standin import Standin
from tests.standin.pages import catalogue

TIMEOUT = 900  # seconds; it runs some twenty commands, which a busy machine takes minutes for
PAGES = {shown.expected.name: shown.expected for shown in catalogue()}
URLS = {name: page.url for name, page in PAGES.items()}


def live_check_at(standin: Standin, home: Path, *arguments: str) -> Done:
    """Run the command on the stand-in."""
    return Command("", home, standin.origin, timeout=TIMEOUT)("live-check", *arguments)


def states(folder: Path) -> dict[str, str]:
    """Return the state of each check in the report."""
    report = json.loads((folder / "live-check.json").read_bytes())
    return {one["check"]: one["state"] for one in report["checks"] if one["state"] != "by_hand"}


def words(value: Any) -> set[str]:
    """Return every text of a report, the keys among them."""
    if isinstance(value, dict):
        return set(value).union(*(words(one) for one in value.values()))
    if isinstance(value, list):
        return set().union(*(words(one) for one in value))
    return {value} if isinstance(value, str) else set()


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_all_is_as_expected_and_the_report_names_nothing(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\n".join(URLS[name] for name in ("picture", "text", "text")))
    with Standin() as standin:
        done = live_check_at(
            *(standin, tmp_path, "--post", URLS["article"], "--short", PAGES["article"].short_url),
            *("--deleted", URLS["deleted"], "--video", URLS["audio"], "--list", "list.txt"),
            *("--without-chksm", URLS["verification"]),
        )
    assert set(states(tmp_path).values()) == {"expected"}, states(tmp_path)
    assert done.code == Exit.DONE
    report = (tmp_path / "live-check.json").read_text()
    named = ("http", "合成", str(tmp_path), Path.home().name, "2650000101", "sn=")
    assert not [word for word in words(json.loads(report)) if any(name in word for name in named)]
    assert not (tmp_path / "postgres").exists()  # its archive was elsewhere, and is removed


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_nothing_is_asked_after_a_demand_for_verification(tmp_path: Path) -> None:
    with Standin() as standin:
        done = live_check_at(standin, tmp_path, "--post", URLS["verification"], "--deleted", URLS["deleted"])
        asked = standin.stats()["requests"]
    assert done.code == Exit.VERIFICATION
    assert states(tmp_path)["post"] == "different"
    assert set(states(tmp_path).values()) == {"different", "not_tried"}
    mid = re.findall(r"mid=(\d+)", URLS["deleted"])[0]
    assert asked and not [one for one in asked if mid in one["target"]]


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_what_differs_is_named_with_exit_code_3(tmp_path: Path) -> None:
    with Standin() as standin:
        done = live_check_at(standin, tmp_path, "--post", URLS["text"], "--deleted", URLS["private"])
    assert done.code == Exit.PARTLY_FAILED
    assert (states(tmp_path)["post"], states(tmp_path)["deleted"]) == ("expected", "different")
    (line,) = [line for line in done.out.decode().splitlines() if line.startswith("4: ")]
    assert '"private": 1' in line


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (None, "mparchive.error.unreadable_file"),
        (0, "mparchive.live_check.list_size"),
        (MAX_ADDRESSES + 1, "mparchive.live_check.list_size"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_before_anything_is_asked(
    tmp_path: Path, lines: int | None, code: str
) -> None:
    path = tmp_path / "list.txt"
    if lines is not None:
        path.write_text("\n".join(f"{URLS['article']}&n={n}" for n in range(lines)))
    with pytest.raises(CommandError) as refused:
        live_check(LiveCheckOptions(URLS["article"], addresses=path))
    assert refused.value.message.code == code


@pytest.mark.parametrize("address", ["", "post", "https://example.org/s/abc", "http://mp.weixin.qq.com/"])
def test_an_address_of_no_post_is_refused(address: str) -> None:
    with pytest.raises(CommandError):
        live_check(LiveCheckOptions(address))
