"""What a command says and ends with does not depend on what the crawl logs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.command import Command
from tests.acceptance.dumps import record

CommandAt = Callable[[str], Command]
CASSETTE = Path(__file__).parents[2] / "cassettes" / "week-1.yaml"
WEEK = CASSETTE.with_name("week.txt")


@pytest.mark.parametrize("level", ["INFO", "WARNING", "CRITICAL"])
def test_a_replayed_backfill_succeeds_at_every_log_level(
    mparchive: Command, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setenv("MPARCHIVE_LOG_LEVEL", level)
    done = mparchive("backfill", WEEK, "--limit", 2, "--no-media", "--replay", CASSETTE, "--json")
    assert (done.code, done.json["counts"]["new"]) == (0, 2), done.err
    assert [line.split()[0] for line in done.err.splitlines() if line[0].isdigit()] == ["1/2", "2/2"]
    assert mparchive.rows("SELECT status, counts -> 'fetched' FROM runs") == [("done", 2)]


@pytest.mark.parametrize("level", ["INFO", "CRITICAL"])
def test_a_failure_is_explained_at_every_log_level(
    mparchive: Command, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setenv("MPARCHIVE_LOG_LEVEL", level)
    done = mparchive("backfill", record(1)["链接url"], "--no-media")
    assert done.code == 4
    assert "ConnectionRefused" in done.out.decode() or "refused" in done.out.decode().lower()


def test_a_fetch_given_by_hand_names_its_egress_as_the_daemon_does(
    mparchive: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPARCHIVE_EGRESS", "office-2")
    mparchive("backfill", record(1)["链接url"], "--no-media")
    assert mparchive.rows("SELECT (SELECT name FROM egresses WHERE id = egress_id) FROM runs") == [
        ("office-2",)
    ]


def test_a_replay_goes_through_no_egress(mparchive: Command) -> None:
    done = mparchive("backfill", WEEK, "--limit", 1, "--no-media", "--replay", CASSETTE)
    assert done.code == 0, done.err
    assert mparchive.rows("SELECT (SELECT name FROM egresses WHERE id = egress_id) FROM runs") == [(None,)]


def test_a_summary_is_written_in_chinese_where_that_is_asked(
    mparchive: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPARCHIVE_LANG", "zh")
    done = mparchive("backfill", WEEK, "--limit", 1, "--no-media", "--replay", CASSETTE)
    assert "新文章" in done.out.decode()
