"""Media: what posts show, from WeChat's hosts for it. These have a lock of their own."""

from archive.db.advisory_locks import Hosts
from archive.db.engine import transaction
from archive.repository.media import due_media
from crawler.media.settings import MediaSettings
from scheduler.config import Limits
from scheduler.crawl_process import crawl
from scheduler.job_context import JobContext
from scheduler.jobs.base import end, my_turn
from scheduler.queue import Order, line_lock, line_queue
from scheduler.timetable import Work


def plan(hands: JobContext, limits: Limits, lines: list[str]) -> list[Order]:
    """One job, at the first line, while any medium is due."""
    with transaction(hands.engine) as session:
        due = due_media(session, hands.now(), 1, types=MediaSettings.read().types)
    arguments = {"minutes": limits.crawl_minutes}
    return [
        Order(Work.MEDIA, "all", line_queue(line), line_lock(line, "media"), arguments)
        for line in (lines[:1] if due else [])
    ]


def run(hands: JobContext, minutes: int) -> None:
    """Download what is due, unless another crawl of media goes through the line."""
    with my_turn(hands, Hosts.MEDIA) as mine:
        if mine:
            timeout = minutes * 60
            result = crawl(
                None, spider="media", settings=hands.settings, timeout=timeout, stop=hands.interrupt
            )
            end(result, "media_ended")
