"""What all jobs that crawl have in common: one line, one run, and what a crawl's end means for both."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog

from archive.db.advisory_locks import Hosts, egress_lock
from archive.db.engine import transaction
from archive.repository import egress as egress_repository
from archive.repository import runs
from archive.repository.frontier import DueAddress, claim_due
from archive.repository.runs import close_abandoned_runs, failures_in_a_row
from scheduler.crawl_process import CrawlResult, crawl
from scheduler.job_context import CrawlFailed, Interrupted, JobContext

FAILED = ("failed", "database", "usage", "media_folder")  # verdicts that say nothing about what was asked

RESTART_FIRST, RESTART_LAST = timedelta(minutes=1), timedelta(hours=1)

log = structlog.get_logger()


def is_held(hands: JobContext) -> bool:
    """Whether this worker's line is held back now."""
    with transaction(hands.engine) as session:
        return egress_repository.blocked_until(session, hands.egress, hands.now()) is not None


def crawl_due(hands: JobContext, command: str, pages: int, minutes: int) -> None:
    """Crawl addresses that are due, at most so many and so long; none while another crawl has the line.

    Raises Interrupted, CrawlFailed, or what the database raises.
    """
    with my_turn(hands, Hosts.PAGES) as mine:
        if mine and not is_held(hands):
            _claim_and_crawl(hands, command, pages, minutes)


@contextmanager
def my_turn(hands: JobContext, hosts: Hosts) -> Iterator[bool]:
    """This line's turn for one crawl; False while somebody else has it, whose end no job waits for."""
    with egress_lock(hands.engine, hands.egress, hosts) as mine:
        if not mine:
            log.info("another crawl goes through this line", action="line_in_use", hosts=hosts)
        yield mine


def _claim_and_crawl(hands: JobContext, command: str, pages: int, minutes: int) -> None:
    now = hands.now()
    with transaction(hands.engine) as session:
        close_abandoned_runs(session, command, hands.egress, now)
        run_id, due = claim_due(session, command, hands.egress, pages, now)
    if run_id:
        _crawl(hands, run_id, due, minutes)


def _crawl(hands: JobContext, run_id: int, due: list[DueAddress], minutes: int) -> None:
    log.info("crawl begins", action="crawl_begun", run=run_id, due=len(due), egress=hands.egress)
    verdict = "failed"  # unless the crawl said otherwise itself
    try:
        result = crawl(run_id, settings=hands.settings, timeout=minutes * 60, stop=hands.interrupt)
        verdict = "stopped" if result.stopped else verdict
    finally:
        with transaction(hands.engine) as session:
            runs.close_run(session, run_id, verdict, hands.now())
    settle_line(hands, result.verdict, result.counts.get("fetched", 0))
    end(result, "crawl_ended")


def settle_line(hands: JobContext, verdict: str, fetched: int) -> None:
    """Free the line when good pages came through it, then hold it back when a challenge ended the crawl."""
    with transaction(hands.engine) as session:
        until = egress_repository.record_crawl_end(session, hands.egress, verdict, fetched, hands.now())
    if until:
        log.warning(
            "line held back", action="egress_held", egress=hands.egress, reason=verdict, until=str(until)
        )


def end(result: CrawlResult, action: str) -> None:
    """Say how a crawl ended; raises Interrupted or CrawlFailed when its work is not done."""
    log.info("crawl ended", action=action, run=result.run_id, verdict=result.verdict, counts=result.counts)
    if result.stopped:
        raise Interrupted("the worker is stopping")
    if result.verdict in FAILED and not result.timed_out:
        last = next((line for line in reversed(result.last_lines) if line.strip()), "it said nothing")
        raise CrawlFailed(f"the crawl ended as {result.verdict}: {last[:300]}")


def may_start(hands: JobContext, egress: str, command: str) -> bool:
    """Whether a line is free, and has rested after crawls that failed on their own account."""
    now = hands.now()
    with transaction(hands.engine) as session:
        if egress_repository.blocked_until(session, egress, now):
            return False
        failures = failures_in_a_row(session, command, egress, FAILED)
    return failures.last_at is None or now >= rested_at(failures.count, failures.last_at)


def rested_at(failures: int, last_at: datetime) -> datetime:
    """When to crawl again after so many that failed: a minute, doubling to an hour."""
    wait: timedelta = RESTART_FIRST * (1 << min(failures - 1, 10))
    return last_at + min(wait, RESTART_LAST)
