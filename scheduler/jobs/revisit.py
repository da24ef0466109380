"""Revisit: posts that have come to an age are asked again; what changed is history."""

from archive.db.engine import transaction
from archive.domain.addresses import HOST
from archive.domain.revisit_policy import INTERVALS, start_of_day
from archive.repository import frontier, runs
from archive.repository.revisits import due_revisits, revisits_since
from scheduler.config import Limits
from scheduler.job_context import JobContext
from scheduler.jobs.base import is_held
from scheduler.queue import Order, line_lock, line_queue
from scheduler.timetable import Work

AT_ONCE = 50  # posts; so that new ones never wait longer than five minutes behind them


def plan(hands: JobContext, limits: Limits, lines: list[str]) -> list[Order]:
    """One job, at the first line that is free, while the day's budget lasts."""
    now = hands.now()
    with transaction(hands.engine) as session:
        left = limits.revisits_a_day - revisits_since(session, start_of_day(now))
        due = left > 0 and due_revisits(session, INTERVALS, now, 1)
    arguments = {"most": min(left, AT_ONCE)}
    return [
        Order(Work.REVISIT, "all", line_queue(line), line_lock(line, HOST), arguments)
        for line in (lines[:1] if due else [])
    ]


def run(hands: JobContext, most: int) -> None:
    """Make posts due that have come of age; the next fetch asks them, with whatever is due besides."""
    if is_held(hands):
        return
    now = hands.now()
    with transaction(hands.engine) as session:
        run_id = runs.start_run(session, Work.REVISIT, {"egress": hands.egress}, now)
        due = frontier.make_due(session, due_revisits(session, INTERVALS, now, most), now, again=True)
        runs.finish_run(session, run_id, "done", {"asked_again": len(due)}, now)
