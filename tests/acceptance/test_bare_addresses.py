"""Addresses without chksm, which the server answers with verification, never keep good ones waiting."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command import Command, Done
from tests.acceptance.dumps import dump_bytes, record, write_dump
from tests.standin import Standin

CommandAt = Callable[[str], Command]
START = datetime(2025, 11, 29, 4, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
A_DAY = 4  # the default of MPARCHIVE_BARE_A_DAY


def bare(number: int) -> str:
    """Return the address of a made-up post without its chksm, as links in posts give it."""
    url: str = record(number)["链接url"]
    return url.partition("&chksm=")[0] + "#wechat_redirect"


@dataclass
class Clock:
    """The time that the commands read."""

    file: Path
    now: datetime = START

    def move(self, moment: datetime) -> None:
        self.now = moment
        self.file.write_text(moment.isoformat(), encoding="ascii")


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return a clock that the commands of this test read."""
    made = Clock(tmp_path / "now")
    made.move(START)
    monkeypatch.setenv("MPARCHIVE_NOW", str(made.file))
    return made


def challenged(standin: Standin) -> list[str]:
    """Return what was asked and answered with a challenge, in order."""
    requests: list[dict[str, Any]] = standin.stats()["requests"]
    return [one["target"] for one in requests if one["path"] == "/s" and one["status"] == 302]


def asked(standin: Standin) -> list[str]:
    """Return the posts that were asked for, in order."""
    return [one["target"] for one in standin.stats()["requests"] if one["path"] == "/s"]


@pytest.mark.parametrize(("bare_ones", "good"), [(6, 7), (60, 60)])
def test_all_good_addresses_are_archived_before_a_bare_one_is_asked(
    mparchive_at: CommandAt, tmp_path: Path, clock: Clock, bare_ones: int, good: int
) -> None:
    dump = write_dump(tmp_path / "served.json", bare_ones + good)
    lines = [bare(number) for number in range(bare_ones)]
    lines += [record(bare_ones + number)["链接url"] for number in range(good)]
    (tmp_path / "list.txt").write_text("\n".join(lines), encoding="utf-8")
    with Standin(dump=dump) as standin:
        command = mparchive_at(standin.origin)
        done = command("backfill", "list.txt", "--json", "--no-media")
        assert (done.code, done.json["counts"]["new"]) == (5, good)
        assert done.json["counts"]["bare_waiting"] == bare_ones - 1
        assert ["chksm" in target for target in asked(standin)] == [True] * good + [False]
        assert len(challenged(standin)) == 1
        clock.move(START + 31 * MINUTE)  # the egress is free again
        again = command("backfill", "list.txt", "--json", "--no-media")
        assert (again.code, again.json["counts"]) == (3, {"known": good, "bare_waiting": bare_ones})
        assert len(challenged(standin)) == 1
        clock.move(START + DAY / A_DAY)
        assert command("backfill", "list.txt", "--no-media").code == 5
        assert len(set(challenged(standin))) == 2, "another bare one has its turn"


def test_a_bare_address_waits_for_its_turn_and_status_says_until_when(
    mparchive_at: CommandAt, tmp_path: Path, clock: Clock
) -> None:
    dump = write_dump(tmp_path / "served.json", 3)
    (tmp_path / "list.txt").write_text("\n".join(map(bare, range(2))), encoding="utf-8")
    with Standin(dump=dump) as standin:
        command = mparchive_at(standin.origin)
        assert command("backfill", "list.txt").code == 5
        clock.move(START + 45 * MINUTE)
        again = command("backfill", "list.txt")
        assert (again.code, len(challenged(standin))) == (4, 1)
        assert "without chksm: asked last" in again.out.decode()
        told = json.loads(command("status", "--json").out)
        assert (told["bare_waiting"], told["bare_next_at"]) == (2, "2025-11-29 10:00:00+00:00")
        assert "2 wait, asked last and seldom; the next not before 2025-11-29 18:00" in _text(
            command("status")
        )


def _text(done: Done) -> str:
    return " ".join(done.out.decode().split())


def test_chksm_from_elsewhere_makes_a_refused_address_due_at_once(
    mparchive_at: CommandAt, tmp_path: Path, clock: Clock
) -> None:
    dump = write_dump(tmp_path / "served.json", 1)
    (tmp_path / "with-chksm.json").write_bytes(dump_bytes([record(0)]))
    with Standin(dump=dump) as standin:
        command = mparchive_at(standin.origin)
        assert command("backfill", bare(0)).code == 5
        clock.move(START + 31 * MINUTE)
        assert command("backfill", "with-chksm.json", "--no-fetch").code == 0
        done = command("backfill", bare(0))
        assert (done.code, len(challenged(standin))) == (0, 1)
    assert command.number("SELECT count(*) FROM parse_results WHERE is_current AND outcome = 'article'") == 1
