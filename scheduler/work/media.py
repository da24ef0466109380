"""Media: what posts show, from WeChat's hosts for it. These have a lock of their own."""

from archive.database import transaction
from archive.locks import Hosts
from archive.media.queries import due_media
from crawler.media.settings import MediaSettings
from scheduler.config import Limits
from scheduler.hands import Hands
from scheduler.jobs import Order, line_lock, line_queue
from scheduler.launch import crawl
from scheduler.timetable import Work
from scheduler.work.crawling import end, my_turn


def orders(hands: Hands, limits: Limits, lines: list[str]) -> list[Order]:
    """One job, at the first line, while any medium is due."""
    with transaction(hands.engine) as session:
        due = due_media(session, hands.now(), 1, types=MediaSettings.read().types)
    arguments = {"minutes": limits.crawl_minutes}
    return [
        Order(Work.MEDIA, "all", line_queue(line), line_lock(line, "media"), arguments)
        for line in (lines[:1] if due else [])
    ]


def do(hands: Hands, minutes: int) -> None:
    """Download what is due, unless another crawl of media goes through the line."""
    with my_turn(hands, Hosts.MEDIA) as mine:
        if mine:
            timeout = minutes * 60
            result = crawl(
                None, spider="media", settings=hands.settings, timeout=timeout, stop=hands.interrupt
            )
            end(result, "media_ended")
