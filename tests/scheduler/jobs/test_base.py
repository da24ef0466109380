"""What a crawl's end means for its egress, its job and the next one."""

import threading

import pytest
from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.domain.messages import Message
from archive.repository import egress, runs
from scheduler.crawl_process import CrawlResult
from scheduler.jobs import base, fetch
from scheduler.jobs.base import CrawlFailed, Interrupted, JobContext, run_mparchive
from tests.scheduler.jobs.planning import DAY, EGRESSES, LIMITS, MINUTE, NOW, sight


def test_an_egress_waits_longer_after_each_crawl_that_failed(context: JobContext, engine: Engine) -> None:
    sight(engine)
    for minutes in (3, 2, 1):
        with transaction(engine) as session:
            run_id = runs.start_run(session, "fetch", {}, NOW - minutes * MINUTE, "home")
            runs.finish_run(session, run_id, "failed", {}, NOW - minutes * MINUTE)
    assert [job.subject for job in fetch.plan_fetch(context, LIMITS, EGRESSES)] == ["office"]
    waits = [(base.restart_at(failures, NOW) - NOW) / MINUTE for failures in (1, 2, 3, 7, 40)]
    assert waits == [1, 2, 4, 60, 60]


@pytest.mark.parametrize(
    ("verdicts", "blocks"),
    [
        ([("verification", 0)], 1),
        ([("verification", 0), ("rate_limited", 0)], 2),
        ([("verification", 0), ("verification", 3)], 1),
        ([("verification", 0), ("done", 3)], 0),
        ([("verification", 0), ("nothing_fetched", 0)], 1),
    ],
)
def test_an_egress_backs_off_after_challenges_in_a_row_and_is_freed_by_a_good_page(
    engine: Engine, verdicts: list[tuple[str, int]], blocks: int
) -> None:
    for number, (verdict, fetched) in enumerate(verdicts):
        context = JobContext(engine, "home", threading.Event(), now=lambda number=number: NOW + number * DAY)
        base.record_outcome(context, verdict, fetched)
    with transaction(engine) as session:
        (row,) = egress.list_egresses(session)
        assert row.consecutive_challenges == blocks


def test_how_a_crawl_ended_decides_what_becomes_of_the_job() -> None:
    base.finish(CrawlResult(1, "partly_failed", 3), "crawl_ended")
    base.finish(CrawlResult(1, "failed", -9, timed_out=True), "crawl_ended")
    with pytest.raises(Interrupted):
        base.finish(CrawlResult(1, "stopped", 3, stopped=True), "crawl_ended")
    with pytest.raises(CrawlFailed, match="ended as failed: no module"):
        base.finish(CrawlResult(1, "failed", 1, error=Message.load("no module")), "crawl_ended")


def test_a_command_that_takes_too_long_is_killed_and_has_no_exit_code(environment: dict[str, str]) -> None:
    code, _, _ = run_mparchive(["serve", "--port", "0"], threading.Event(), timeout=-1)
    assert code is None


def test_a_command_ends_with_its_exit_code_and_what_it_printed(environment: dict[str, str]) -> None:
    code, out, err = run_mparchive(["backup"], threading.Event(), timeout=200)
    assert (code, out) == (2, b"")
    assert b"name either a file or" in err
