"""The daemon: crawls what is due, every few minutes, until it is told to stop."""

import logging
import signal
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from types import FrameType

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Engine

from archive import queries, store
from archive.database import open_archive, transaction
from archive.media.queries import due_media
from crawler.media.settings import MediaSettings
from scheduler.launch import crawl
from scheduler.timetable import timetable

CRAWL_TIME = 3600  # seconds for one crawl; what it has not asked by then is still due
AT_ONCE = 500  # addresses a crawl: 50 minutes at 6 s each

log = structlog.get_logger()


def run_daemon(every_minutes: int) -> int:
    """Run until SIGTERM or SIGINT; returns 0. A crawl at work ends its page first. Raises SettingError."""
    MediaSettings.read()  # refused now rather than at every look
    stop = threading.Event()
    _listen(stop)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    with open_archive() as engine:
        scheduler = _scheduler(engine, every_minutes)
        scheduler.start()
        log.info("daemon started", action="daemon_started", every_minutes=every_minutes)
        stop.wait()
        log.info("daemon stops", action="daemon_stopping")
        scheduler.shutdown(wait=True)
    return 0


def _listen(stop: threading.Event) -> None:
    def told(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)


def _scheduler(engine: Engine, every_minutes: int) -> BackgroundScheduler:
    scheduler = BackgroundScheduler(timezone=UTC)
    for entry in timetable(every_minutes):
        scheduler.add_job(
            look,
            "interval",
            args=[engine],
            seconds=entry.every.total_seconds(),
            jitter=int(entry.jitter.total_seconds()),
            misfire_grace_time=int(entry.grace.total_seconds()),
            coalesce=True,
            max_instances=1,
            next_run_time=datetime.now(UTC),
            id=entry.name,
        )
    return scheduler


def look(engine: Engine, settings: Mapping[str, str] | None = None) -> None:
    """Crawl the posts that are due now, then what posts show that is due."""
    crawl_due(engine, settings)
    crawl_due_media(engine, settings)


def crawl_due(engine: Engine, settings: Mapping[str, str] | None = None) -> None:
    """Crawl what is due now, in a child process; nothing due costs one query."""
    now = datetime.now(UTC)
    with transaction(engine) as session:
        due = queries.due_addresses(session, now, AT_ONCE)
        if not due:
            log.info("nothing is due", action="nothing_due")
            return
        run_id = store.start_run(session, "run", {"due": len(due)}, now)
        store.assign(session, run_id, [address.id for address in due])
    result = crawl(run_id, settings=settings, timeout=CRAWL_TIME)
    with transaction(engine) as session:
        store.close_run(session, run_id, "failed", datetime.now(UTC))
    log.info("crawl ended", action="crawl_ended", verdict=result.verdict, counts=result.counts)


def crawl_due_media(engine: Engine, settings: Mapping[str, str] | None = None) -> None:
    """Download the media that are due now, in a child process; nothing due costs one query."""
    with transaction(engine) as session:
        if not due_media(session, datetime.now(UTC), 1, types=MediaSettings.read().types):
            return
    result = crawl(None, spider="media", settings=settings, timeout=CRAWL_TIME)
    log.info("media crawl ended", action="media_ended", verdict=result.verdict, counts=result.counts)
