"""Fetching: what was handed in is fetched once, and what came of it is said."""

import gzip
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.acceptance.command import Command
from tests.acceptance.dumps import dump_bytes, record, write_dump
from tests.standin import Standin
from tests.standin.week import address_list

CommandAt = Callable[[str], Command]
PAGES_AND_POSTS = """
    SELECT count(*), count(DISTINCT address_id), count(*) FILTER (WHERE outcome = 'article'),
           (SELECT count(*) FROM posts), (SELECT count(*) FROM versions)
    FROM captures JOIN parse_results r ON r.capture_id = captures.id AND is_current
"""


def test_every_post_of_the_real_dump_gets_its_page_once(mparchive_at: CommandAt, shared: Path) -> None:
    (dump,) = (shared / "dump").glob("*.json")
    with Standin(dump=dump) as standin:
        command = mparchive_at(standin.origin)
        assert command("backfill", dump).code == 0
        assert command.rows(PAGES_AND_POSTS) == [(97, 97, 97, 97, 97)]
        again = command("backfill", dump, "--json")
        assert (again.code, again.json["counts"]) == (0, {"known": 97})
        assert standin.stats()["hosts"]["mp.weixin.qq.com"] == 97
    assert command("export").out == dump.read_bytes()


def test_a_list_is_fetched_with_the_checksums_it_gives(mparchive_at: CommandAt, tmp_path: Path) -> None:
    (tmp_path / "week.txt").write_text(address_list(), encoding="utf-8")
    with Standin(week=True) as standin:
        command = mparchive_at(standin.origin)
        done = command("backfill", "week.txt", "--json")
        described = [post for post in standin.describe() if post["outcome"] == "article"]
    assert (done.code, done.json["counts"]["new"]) == (0, 13)
    exported = {row["文章标识符aid"]: row["标题title"] for row in json.loads(command("export").out)}
    assert exported == {post["aid"]: post["fields"]["标题title"] for post in described}


def test_a_browser_that_does_not_start_is_said(mparchive_at: CommandAt, tmp_path: Path) -> None:
    (tmp_path / "week.txt").write_text(address_list(), encoding="utf-8")
    with Standin(week=True) as standin:
        command = replace(mparchive_at(standin.origin), chromium="/bin/false")
        done = command("backfill", "week.txt")
    assert done.code == 0
    assert "only a browser shows" in done.out.decode()


def test_verification_stops_the_run_and_the_same_command_goes_on(
    mparchive_at: CommandAt, tmp_path: Path
) -> None:
    dump = write_dump(tmp_path / "dump.json", 6)
    with Standin(dump=dump) as standin:
        standin.fault("verification", after=2, times=1)
        command = mparchive_at(standin.origin)
        stopped = command("backfill", dump)
        assert stopped.code == 5
        assert "verification" in stopped.out.decode()
        asked = standin.stats()["total"]
        held = command("backfill", dump)
        assert (held.code, standin.stats()["total"]) == (5, asked), "for 30 minutes nothing is fetched"
        assert "nothing is fetched before" in held.err
        command.execute("UPDATE egresses SET blocked_until = now()")
        assert command("backfill", dump).code == 0
    assert command.number("SELECT count(*) FROM parse_results WHERE is_current AND outcome = 'article'") == 6


def test_a_server_that_is_away_is_said_and_nothing_is_lost(mparchive: Command) -> None:
    done = mparchive("backfill", record(1)["链接url"])
    assert done.code == 4
    assert "Traceback" not in done.err
    assert mparchive.rows("SELECT last_outcome, next_fetch_at IS NULL FROM addresses") == [
        ("no_answer", False)
    ]


def test_posts_that_are_gone_are_an_answer_not_a_failure(mparchive_at: CommandAt, tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump.json", 2)
    gone = json.loads(dump.read_text(encoding="utf-8"))[0]["文章标识符aid"]
    with Standin(dump=dump) as standin:
        standin.show(gone, "deleted")
        command = mparchive_at(standin.origin)
        done = command("backfill", dump)
    assert done.code == 0
    assert "deleted by the author" in done.out.decode()
    assert json.loads(command("export").out)[0]["文章标识符aid"] == gone  # the dump's text is not lost


def test_a_recorded_backfill_is_replayed_without_a_server(
    mparchive_at: CommandAt, server_url: str, tmp_path: Path
) -> None:
    dump = write_dump(tmp_path / "dump.json", 3)
    with Standin(dump=dump) as standin:
        recorded = mparchive_at(standin.origin)("backfill", dump, "--record", "tape.yaml")
    replayed = mparchive_at("")("backfill", dump, "--again", "--replay", "tape.yaml", "--json")
    assert (recorded.code, replayed.code) == (0, 0)
    assert replayed.json["counts"]["unchanged"] == 3


def test_a_replay_that_lacks_an_answer_fails_loudly(mparchive: Command, tmp_path: Path) -> None:
    cassettes = Path(__file__).resolve().parents[2] / "cassettes"
    done = mparchive("backfill", record(1)["链接url"], "--replay", cassettes / "week-1.yaml")
    assert done.code == 4
    assert mparchive.number("SELECT count(*) FROM captures") == 0


@pytest.mark.parametrize("packed", [False, True])
def test_a_saved_page_is_archived_as_if_it_had_been_fetched(
    mparchive_at: CommandAt, tmp_path: Path, packed: bool
) -> None:
    dump = write_dump(tmp_path / "dump.json", 1)
    with Standin(dump=dump) as standin:
        fetched = mparchive_at(standin.origin)
        fetched("backfill", dump)
    page = fetched("show", record(0)["文章标识符aid"], "--raw").out
    (tmp_path / "saved.html").write_bytes(gzip.compress(page) if packed else page)
    moment = 1_763_000_000
    os.utime(tmp_path / "saved.html", (moment, moment))
    done = fetched("backfill", "saved.html", "--json")
    assert (done.code, done.json["counts"].get("known")) == (0, 1)
    kept = "SELECT extract(epoch FROM fetched_at), body_size FROM captures ORDER BY id DESC LIMIT 1"
    assert fetched.rows(kept) == [(moment, len(page))]


def test_ctrl_c_ends_it_with_a_word_on_how_to_go_on(mparchive_at: CommandAt, tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump.json", 5)
    with Standin(dump=dump) as standin:
        standin.fault("slow", seconds=5, after=1)  # what is under way is waited for
        command = mparchive_at(standin.origin)
        running = command.start("backfill", dump, listen=True)
        assert running.stderr is not None
        assert b"1/5" in running.stderr.readline()
        running.send_signal(signal.SIGINT)
        words = running.stderr.read().decode()
        assert running.wait(60) == 130
        running.stderr.close()
        assert "run the same command again to continue" in words
        standin.clear()
        assert command("backfill", dump).code == 0
    assert command.rows(PAGES_AND_POSTS) == [(5, 5, 5, 5, 5)]
    assert command("export").out == dump_bytes([record(number) for number in range(5)])
