"""How commands crawl: they wait for their turn, respect a back-off, and count what came."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from archive.db.advisory_locks import Hosts, egress_lock
from archive.db.engine import transaction
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.repository import egress, runs
from archive.repository.frontier import record_sightings
from archive.repository.media import DueMedium
from archive.system import clock
from crawler.process.entry import PageDone, RunStarted
from mparchive import crawl
from mparchive.console import steps
from mparchive.crawl import (
    RunSummary,
    cassette_settings,
    fetch_media,
    fetch_pages,
    open_egress,
    wait_for_turn,
)
from mparchive.errors import CommandError, Exit
from scheduler.crawl_process import CrawlResult
from tests.archive.making import record

URL = "https://res.wx.qq.com/synthetic"


def _run_with_due(engine: Engine, number: int) -> tuple[int, list[int]]:
    """Open a run with so many addresses that are due; return its id and theirs."""
    now = clock.now()
    sightings = [SightingData(parse_address(record(one).url), "list", now) for one in range(number)]
    with transaction(engine) as session:
        run_id = runs.start_run(session, "backfill", {}, now)
        sighted = record_sightings(session, run_id, sightings, now)
    return run_id, [one.address_id for one in sighted]


def test_a_command_gives_up_on_an_egress_that_stays_in_use_and_has_asked_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crawl, "MAX_WAIT", 0.1)
    mine, summary = open_egress(engine), RunSummary()
    run_id, due = _run_with_due(engine, 3)
    with (
        egress_lock(engine, "default", Hosts.PAGES),
        egress_lock(engine, "default", Hosts.MEDIA),
        steps(None) as progress,
    ):
        assert (
            fetch_pages(mine, run_id, due, summary, progress) is Exit.NOTHING_FETCHED
        )  # a crawl needs a server
        media = [DueMedium(n, URL, URL, "style" if n == 1 else "image", None) for n in range(4)]
        assert fetch_media(mine, 1, media, summary, progress) is Exit.DONE
    assert summary.counts == {"not_asked": 3, "images_not_asked": 3, "style_sheets_not_asked": 1}
    assert capsys.readouterr().err.count("waiting for its end") == 2


def test_a_blocked_egress_fetches_nothing_and_says_until_when(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    with transaction(engine) as session:
        egress.block_egress(session, "default", "verification", clock.now())
    summary, (run_id, due) = RunSummary(), _run_with_due(engine, 3)
    with steps(None) as progress:
        assert fetch_pages(open_egress(engine), run_id, due, summary, progress) is Exit.VERIFICATION
    assert summary.counts == {"not_asked": 3}
    assert "nothing is fetched before" in capsys.readouterr().err


def test_a_replay_waits_for_nobody(shared_engine: Engine) -> None:
    replay = open_egress(shared_engine, {"CASSETTE_MODE": "replay"})
    with egress_lock(shared_engine, "default", Hosts.PAGES), wait_for_turn(replay, Hosts.PAGES) as mine:
        assert mine


def test_progress_shows_each_page_and_keeps_the_first_reason(capsys: pytest.CaptureFixture[str]) -> None:
    reasons: dict[str, str] = {}
    with steps(2) as progress:
        show = crawl._progress_shower(progress, reasons)
        show(RunStarted(1, 2))
        show(PageDone(1, outcome="article", stored="new", aid="1_1"))
        show(PageDone(2, address="https://x", reason="mparchive.crawl.see_log"))
        show(PageDone(2, address="https://y", reason="no answer"))
    assert capsys.readouterr().err.splitlines() == [
        "1/2 article new 1_1",
        "2/2 failed https://x the log of the crawl gives the reason",
        "2/2 failed https://y no answer",
    ]
    assert reasons == {"failed": "mparchive.crawl.see_log"}


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (CrawlResult(1, "done", 0), Exit.DONE),
        (CrawlResult(1, "partly_failed", 3), Exit.PARTLY_FAILED),
        (CrawlResult(1, "rate_limited", 5), Exit.VERIFICATION),
        (CrawlResult(1, "database", 6), Exit.DATABASE),
    ],
)
def test_a_verdict_is_an_exit_code(result: CrawlResult, code: Exit) -> None:
    assert crawl._exit_code(result) is code


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (CrawlResult(1, "failed", -9), Exit.NOTHING_FETCHED),
        (CrawlResult(1, "failed", 2), Exit.USAGE),
        (CrawlResult(1, "stopped", 3, timed_out=True), Exit.PARTLY_FAILED),
    ],
)
def test_a_crawl_that_could_not_work_ends_the_command(result: CrawlResult, code: Exit) -> None:
    with pytest.raises(CommandError) as raised:
        crawl._exit_code(result)
    assert raised.value.code is code


def test_a_cassette_is_replayed_or_recorded_and_must_be_there(tmp_path: Path) -> None:
    tape = tmp_path / "tape.yaml"
    tape.touch()
    assert cassette_settings(None, None) == {}
    assert cassette_settings(tape, None) == {"CASSETTE": str(tape), "CASSETTE_MODE": "replay"}
    assert cassette_settings(None, tape)["CASSETTE_MODE"] == "record"
    for wrong in ((tape, tape), (tmp_path / "none.yaml", None)):
        with pytest.raises(CommandError):
            cassette_settings(*wrong)
