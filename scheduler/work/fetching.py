"""Fetch: posts whose addresses are due."""

from archive.address import HOST
from archive.database import transaction
from archive.watching import something_is_due
from scheduler.config import Limits
from scheduler.hands import Hands
from scheduler.jobs import Order, line_lock, line_queue
from scheduler.timetable import Work
from scheduler.work.crawling import crawl_due, may_start


def orders(hands: Hands, limits: Limits, lines: list[str]) -> list[Order]:
    """A job for each line that is free, while anything is due."""
    with transaction(hands.engine) as session:
        if not something_is_due(session, hands.now()):
            return []
    return [_order(line, limits) for line in lines if may_start(hands, line, "fetch")]


def _order(line: str, limits: Limits) -> Order:
    arguments = {"pages": limits.pages_a_crawl, "minutes": limits.crawl_minutes}
    return Order(Work.FETCH, line, line_queue(line), line_lock(line, HOST), arguments)


def do(hands: Hands, pages: int, minutes: int) -> None:
    """Crawl what is due, unless the line is in use or was held back meanwhile."""
    crawl_due(hands, "fetch", pages, minutes)
