"""The committed cassettes are what the stand-in and the crawl give today."""

from pathlib import Path
from typing import Any

import pytest
import vcr.cassette

from tests.standin.week import VISITS, WEEK, address_list
from tests.support.record_week import record_week

CASSETTES = Path(__file__).parents[2] / "cassettes"
MOST = 3_000_000  # bytes of all cassettes: they are in git
Conversation = list[tuple[str, str, bool, int, bytes]]


def _conversation(path: Path) -> Conversation:
    """Who asked for what and what came, read by vcrpy itself; no times, no versions of browsers."""
    tape = vcr.cassette.Cassette.load(path=str(path), record_mode="none")
    return sorted(_exchange(request, response) for request, response in zip(
        tape.requests, tape.responses, strict=True
    ))  # fmt: skip


def _exchange(request: Any, response: Any) -> tuple[str, str, bool, int, bytes]:
    by_browser = any(name.lower() == "upgrade-insecure-requests" for name in request.headers)
    body = response["body"]["string"]
    whole = body.encode() if isinstance(body, str) else body
    return request.method, request.uri, by_browser, response["status"]["code"], whole


@pytest.mark.browser
def test_recording_the_week_again_gives_the_committed_cassettes(tmp_path: Path) -> None:
    record_week(tmp_path)
    for visit in VISITS:
        name = f"week-{visit}.yaml"
        assert _conversation(tmp_path / name) == _conversation(CASSETTES / name), (
            f"{name} is out of date: run python -m tests.support.record_week"
        )
    assert (tmp_path / "week.txt").read_text() == (CASSETTES / "week.txt").read_text() == address_list()


def test_the_cassettes_hold_the_week_and_no_secret() -> None:
    asked = {exchange[1] for visit in VISITS for exchange in _conversation(CASSETTES / f"week-{visit}.yaml")}
    assert {post.url.replace("http:", "https:").removesuffix("#rd") for post in WEEK} <= asked
    files = list(CASSETTES.glob("*.yaml"))
    assert sum(path.stat().st_size for path in files) < MOST
    for path in files:
        words = path.read_text(encoding="utf-8")
        assert "must-be-scrubbed" not in words
        assert "synthetic-poc-token" not in words
