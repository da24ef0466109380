"""Fetch: posts whose addresses are due."""

from archive.db.engine import transaction
from archive.domain.addresses import HOST
from archive.repository.frontier import has_due_address
from scheduler.config import Limits
from scheduler.job_context import JobContext
from scheduler.jobs.base import crawl_due, may_start
from scheduler.queue import Order, line_lock, line_queue
from scheduler.timetable import Work


def plan(hands: JobContext, limits: Limits, lines: list[str]) -> list[Order]:
    """A job for each line that is free, while anything is due."""
    with transaction(hands.engine) as session:
        if not has_due_address(session, hands.now()):
            return []
    return [_order(line, limits) for line in lines if may_start(hands, line, "fetch")]


def _order(line: str, limits: Limits) -> Order:
    arguments = {"pages": limits.pages_a_crawl, "minutes": limits.crawl_minutes}
    return Order(Work.FETCH, line, line_queue(line), line_lock(line, HOST), arguments)


def run(hands: JobContext, pages: int, minutes: int) -> None:
    """Crawl what is due, unless the line is in use or was held back meanwhile."""
    crawl_due(hands, "fetch", pages, minutes)
