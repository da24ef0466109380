"""Report: look at everything, open and close incidents, tell of them."""

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.settings import ArchiveSettings
from archive.repository import egress
from archive.repository.incidents import Noted, capture_findings, mark_told, note_findings, to_tell
from archive.repository.runs import failed_jobs
from archive.repository.sources import newest_post, published_days, source_statuses, watched_since
from crawler.discovery.config import SecretMissing
from scheduler.config import Alarms, Config
from scheduler.health import USUAL_OVER, AccountVitals, Bounds, LineVitals, Vitals, findings
from scheduler.job_context import JobContext
from scheduler.jobs import inbox
from scheduler.notify import NotTold, tell
from scheduler.queue import HOME, Order
from scheduler.timetable import Work

FAILED_WITHIN = timedelta(hours=6)

TOLD_AGAIN = timedelta(hours=6)  # without [alarms] nobody is told, but the log is no flood either

log = structlog.get_logger()


def plan() -> list[Order]:
    """A job at every look."""
    return [Order(Work.REPORT, "all", HOME, Work.REPORT)]


def run(hands: JobContext, config: Config, config_problem: str = "") -> None:
    """Look, note, tell."""
    now = hands.now()
    with transaction(hands.engine) as session:
        vitals = health_snapshot(session, config, config_problem, now)
        found = [*findings(vitals, _bounds(config), now), *capture_findings(session)]
        noted = note_findings(session, found, now)
    _log(noted)
    _tell(hands, config.alarms, now)


def health_snapshot(session: Session, config: Config, config_problem: str, now: datetime) -> Vitals:
    """Everything the health checks want to know."""
    held = [row for row in egress.list_egresses(session) if row.blocked_until and row.blocked_until > now]
    return Vitals(
        accounts=[_account(session, one.biz, one.name, now) for one in config.accounts],
        held=[LineVitals(row.name, row.reason, row.blocked_until or now, row.blocks) for row in held],
        free={str(place): shutil.disk_usage(place).free for place in watched_folders()},
        failed_jobs=failed_jobs(session, FAILED_WITHIN),
        config_problem=config_problem,
        alarm_problem=_alarm_problem(config.alarms),
        inbox_problem=inbox.problem(config.inbox),
    )


def _account(session: Session, biz: str, name: str, now: datetime) -> AccountVitals:
    days = published_days(session, biz, now - USUAL_OVER)
    last = newest_post(session, biz) or watched_since(session, biz)
    return AccountVitals(biz, name, last, days, source_statuses(session, biz))


def watched_folders() -> list[Path]:
    """The folders on this machine whose disks fill up: the archive's home, and local media."""
    settings = ArchiveSettings()
    named = [
        settings.home,
        *([Path(settings.media)] if settings.media and "://" not in settings.media else []),
    ]
    return [place for place in named if place.is_dir()]


def _bounds(config: Config) -> Bounds:
    limits = config.limits
    return Bounds(timedelta(hours=limits.quiet_after_hours), limits.free_disk_mb * 2**20)


def _alarm_problem(alarms: Alarms | None) -> str:
    try:
        if alarms:
            alarms.read_secret()
    except SecretMissing as missing:
        return f"nobody can be told of alarms: {missing}"
    return ""


def _log(noted: Noted) -> None:
    for one in noted.opened:
        log.warning(one.words, action="incident_opened", key=one.key, remedy=one.remedy)
    for one in noted.closed:
        log.info(one.words, action="incident_closed", key=one.key)


def _tell(hands: JobContext, alarms: Alarms | None, now: datetime) -> None:
    again_after = timedelta(hours=alarms.again_after_hours) if alarms else TOLD_AGAIN
    with transaction(hands.engine) as session:
        begun, ended = to_tell(session, now, again_after)
    if not (begun or ended) or not _sent(alarms, begun, ended):
        return
    with transaction(hands.engine) as session:
        mark_told(session, [one.id for one in begun], [one.id for one in ended], now)


def _sent(alarms: Alarms | None, begun: Sequence, ended: Sequence) -> bool:  # type: ignore[type-arg]
    if alarms is None:
        return False
    try:
        missed = tell(alarms.read_secret(), begun, ended)
    except (NotTold, SecretMissing) as error:
        log.error(str(error), action="alarm_not_sent")
        return False
    for number in missed:
        log.error(f"address {number} of those to tell took no alarm", action="alarm_not_sent")
    log.info("alarm sent", action="alarm_sent", begun=len(begun), ended=len(ended))
    return True
