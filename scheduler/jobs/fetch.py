"""Jobs that fetch what is due: posts, the media they show, and posts to visit again."""

import structlog

from archive.db.advisory_locks import Hosts
from archive.db.engine import transaction
from archive.db.settings import RequestSettings
from archive.domain.addresses import HOST
from archive.domain.messages import Message
from archive.domain.revisit_policy import INTERVALS, start_of_day
from archive.repository import frontier, runs
from archive.repository.media import due_media
from archive.repository.revisits import due_revisits, revisits_since
from crawler.media.settings import MediaSettings
from scheduler.config import Limits
from scheduler.jobs.base import JobContext, finish, may_start, record_outcome, take_turn
from scheduler.polling import Work
from scheduler.queue import PlannedJob, egress_queue, host_lock

REVISITS_AT_ONCE = 50  # posts; so that new ones never wait longer than five minutes behind them

log = structlog.get_logger()


def plan_fetch(context: JobContext, limits: Limits, egresses: list[str]) -> list[PlannedJob]:
    """Plan a job for each egress that is free, while any address is due."""
    with transaction(context.engine) as session:
        if not frontier.has_due_address(session, context.now(), RequestSettings.read().bare_a_day):
            return []
    arguments = {"pages": limits.pages_a_crawl, "minutes": limits.crawl_minutes}
    return [
        PlannedJob(Work.FETCH, egress, egress_queue(egress), host_lock(egress, HOST), arguments)
        for egress in egresses
        if may_start(context, egress, Work.FETCH)
    ]


def run_fetch(context: JobContext, pages: int, minutes: int) -> None:
    """Crawl due addresses, at most so many and so long; none while the egress is in use or blocked.

    Raises Interrupted, CrawlFailed, or what the database raises.
    """
    with take_turn(context, Hosts.PAGES) as mine:
        if mine and not context.egress_session.blocked_until():
            _claim_and_crawl(context, pages, minutes)


def _claim_and_crawl(context: JobContext, pages: int, minutes: int) -> None:
    now = context.now()
    with transaction(context.engine) as session:
        runs.close_abandoned_runs(session, Work.FETCH, context.egress, now)
        run_id, due = frontier.claim_due(
            session, Work.FETCH, context.egress, pages, now, bare_a_day=RequestSettings.read().bare_a_day
        )
    if run_id:
        begins = Message("scheduler.log.fetching", {"n": len(due)})
        log.info(begins, action="crawl_begun", run=run_id, due=len(due), egress=context.egress)
        _crawl(context, run_id, minutes)


def _crawl(context: JobContext, run_id: int, minutes: int) -> None:
    verdict = "failed"  # for a run that the crawl itself did not finish
    try:
        result = context.egress_session.crawl(run_id, timeout=minutes * 60, stop=context.interrupt)
        verdict = "stopped" if result.stopped else verdict
    finally:
        with transaction(context.engine) as session:
            runs.close_run(session, run_id, verdict, context.now())
    record_outcome(context, result.verdict, result.counts.get("fetched", 0))
    finish(result, "crawl_ended")


def plan_media(context: JobContext, limits: Limits, egresses: list[str]) -> list[PlannedJob]:
    """Plan one job, at the first egress, while any media file is due. WeChat's media hosts have own locks."""
    with transaction(context.engine) as session:
        due = due_media(session, context.now(), 1, types=MediaSettings.read().types)
    arguments = {"minutes": limits.crawl_minutes}
    return [
        PlannedJob(Work.MEDIA, "all", egress_queue(egress), host_lock(egress, Hosts.MEDIA), arguments)
        for egress in (egresses[:1] if due else [])
    ]


def run_media(context: JobContext, minutes: int) -> None:
    """Download due media, unless another crawl of media goes through the egress."""
    with take_turn(context, Hosts.MEDIA) as mine:
        if not mine:
            return
        result = context.egress_session.crawl(
            None, spider="media", timeout=minutes * 60, stop=context.interrupt
        )
        finish(result, "media_ended")


def plan_revisit(context: JobContext, limits: Limits, egresses: list[str]) -> list[PlannedJob]:
    """Plan one job, at the first egress, while the day's budget lasts and a post is old enough."""
    now = context.now()
    with transaction(context.engine) as session:
        left = limits.revisits_a_day - revisits_since(session, start_of_day(now))
        due = left > 0 and due_revisits(session, INTERVALS, now, 1)
    arguments = {"most": min(left, REVISITS_AT_ONCE)}
    return [
        PlannedJob(Work.REVISIT, "all", egress_queue(egress), host_lock(egress, HOST), arguments)
        for egress in (egresses[:1] if due else [])
    ]


def run_revisit(context: JobContext, most: int) -> None:
    """Make posts due that are old enough to visit again; the next fetch job asks for them."""
    if context.egress_session.blocked_until():
        return
    now = context.now()
    with transaction(context.engine) as session:
        run_id = runs.start_run(session, Work.REVISIT, {}, now, context.egress)
        due = frontier.make_due(session, due_revisits(session, INTERVALS, now, most), now, again=True)
        runs.finish_run(session, run_id, "done", {"asked_again": len(due)}, now)
