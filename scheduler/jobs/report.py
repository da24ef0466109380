"""The job that examines everything, opens and closes incidents, and sends alarms about them."""

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.models import Incident
from archive.db.schema import make_capture_months
from archive.db.settings import ArchiveSettings
from archive.domain.messages import Message
from archive.domain.monitoring import SourceStatus
from archive.domain.update_decisions import challenge_backoff
from archive.repository import egress
from archive.repository.announced_posts import announced_posts
from archive.repository.bare_addresses import bare_challenge_at
from archive.repository.incidents import (
    IncidentChanges,
    incidents_to_report,
    mark_reported,
    record_problems,
    unread_capture_problems,
)
from archive.repository.runs import failed_jobs
from archive.repository.served_posts import other_post_problems
from archive.repository.sources import newest_post, published_days, source_statuses, watched_since
from crawler.discovery.config import AccountConfig, SecretMissing
from crawler.discovery.registry import login_of
from crawler.discovery.weread_login import WeReadLogin
from scheduler.config import Alarms, Config
from scheduler.health import (
    HISTORY,
    AccountHealth,
    BlockedEgress,
    Bounds,
    HealthSnapshot,
    LoginHealth,
    health_problems,
)
from scheduler.jobs import inbox
from scheduler.jobs.base import JobContext
from scheduler.notify import AlarmNotSent, send_alarm
from scheduler.ping import report_problems
from scheduler.polling import Work
from scheduler.queue import HOME, PlannedJob
from scheduler.source_check import unwatched_problem

FAILED_WITHIN = timedelta(hours=6)

AGAIN_AFTER = timedelta(hours=6)  # without [alarms] nobody is notified, but the log is not flooded either

CRAWL_ENDS_WITHIN = timedelta(minutes=5)  # after the challenge that stops it

log = structlog.get_logger()


def plan_report() -> list[PlannedJob]:
    """Plan a job at every check."""
    return [PlannedJob(Work.REPORT, "all", HOME, Work.REPORT)]


def run_report(context: JobContext, config: Config, config_problem: Message | None = None) -> None:
    """Examine everything, record the incidents, and send alarms. Raises what the database raises."""
    now = context.now()
    make_capture_months(context.engine)  # crawls do it too, when they open the archive
    with transaction(context.engine) as session:
        snapshot = health_snapshot(session, config, config_problem, now)
        stored = [*unread_capture_problems(session), *other_post_problems(session)]
        problems = [*health_problems(snapshot, _bounds(config), now), *stored]
        changes = record_problems(session, problems, now)
    _log(changes)
    _notify(context, config.alarms, now)
    report_problems(config.ping, [one.message for one in problems])


def health_snapshot(
    session: Session, config: Config, config_problem: Message | None, now: datetime
) -> HealthSnapshot:
    """Read everything that the health checks examine."""
    return HealthSnapshot(
        accounts=[_account_health(session, one, now) for one in config.accounts],
        blocked=_blocked_egresses(session, now),
        logins=_logins(config.accounts, now),
        free={str(folder): shutil.disk_usage(folder).free for folder in ArchiveSettings().local_folders()},
        failed_jobs=failed_jobs(session, FAILED_WITHIN),
        config_problem=config_problem,
        alarm_problem=_alarm_problem(config.alarms),
        inbox_problem=inbox.inbox_problem(config.inbox),
    )


def _blocked_egresses(session: Session, now: datetime) -> list[BlockedEgress]:
    """Return the egresses that back off, without one that does so for an address without chksm.

    Such a challenge is expected, and rationed; nobody has to do anything.
    """
    bare_at = bare_challenge_at(session)
    return [
        BlockedEgress(row.name, row.reason, row.blocked_until, row.consecutive_challenges)
        for row in egress.list_egresses(session)
        if row.blocked_until
        and row.blocked_until > now
        and not (bare_at and _is_block_of(bare_at, row.blocked_until, row.consecutive_challenges))
    ]


def _is_block_of(challenged_at: datetime, until: datetime, challenges: int) -> bool:
    """Tell whether a back-off until an instant is that of a challenge, by a crawl that then ended."""
    begun = until - challenge_backoff(challenges)
    return challenged_at <= begun <= challenged_at + CRAWL_ENDS_WITHIN


def _account_health(session: Session, account: AccountConfig, now: datetime) -> AccountHealth:
    biz = account.biz
    days = published_days(session, biz, now - HISTORY)
    last = newest_post(session, biz) or watched_since(session, biz)
    statuses = [one for one in source_statuses(session, biz) if not _is_of_no_account(one, account)]
    unwatched, announced = unwatched_problem(session, account), announced_posts(session, biz)
    return AccountHealth(biz, account.name, last, days, statuses, unwatched, announced)


def _is_of_no_account(source: SourceStatus, account: AccountConfig) -> bool:
    """Tell whether an album was met in posts and never listed any of the account: nobody can mend that."""
    kind, _, album = source.name.partition(":")
    return kind == "album" and album not in account.albums and source.last_good_at is None


def _logins(accounts: Sequence[AccountConfig], now: datetime) -> list[LoginHealth]:
    """Return the logins to WeRead that accounts use, each once."""
    logins = {one.weread.login: login_of(one.weread) for one in accounts if one.weread}
    return [login_health(login, now) for login in logins.values()]


def login_health(login: WeReadLogin, now: datetime) -> LoginHealth:
    """Return what is wrong with a login, and until when it rests."""
    if not login.is_signed_in:
        return LoginHealth(login.name, "not_signed_in")
    record = login.record()
    until = record.rest_until if record.rest_until and record.rest_until > now else None
    return LoginHealth(login.name, record.problem, until)


def _bounds(config: Config) -> Bounds:
    limits = config.limits
    return Bounds(timedelta(hours=limits.quiet_after_hours), limits.free_disk_mb * 2**20)


def _alarm_problem(alarms: Alarms | None) -> Message | None:
    try:
        if alarms:
            alarms.read_secret()
    except SecretMissing as missing:
        return Message("scheduler.alarm.no_addresses", {"reason": _message_of(missing)})
    return None


def _message_of(error: Exception) -> Message:
    """Return the message of an error, or its text where it carries none."""
    message = getattr(error, "message", None)
    return message if isinstance(message, Message) else Message.load(str(error))


def _log(changes: IncidentChanges) -> None:
    for one in changes.opened:
        log.warning(one.message, action="incident_opened", key=one.key, remedy=one.remedy_message)
    for one in changes.closed:
        log.info(
            Message("scheduler.log.over", {"problem": one.message}), action="incident_closed", key=one.key
        )


def _notify(context: JobContext, alarms: Alarms | None, now: datetime) -> None:
    again_after = timedelta(hours=alarms.again_after_hours) if alarms else AGAIN_AFTER
    with transaction(context.engine) as session:
        begun, ended = incidents_to_report(session, now, again_after)
    if not (begun or ended) or not _send(alarms, begun, ended):
        return
    with transaction(context.engine) as session:
        mark_reported(session, [one.id for one in begun], [one.id for one in ended], now)


def _send(alarms: Alarms | None, begun: Sequence[Incident], ended: Sequence[Incident]) -> bool:
    if alarms is None:
        return False
    try:
        missed = send_alarm(alarms.read_secret(), begun, ended)
    except (AlarmNotSent, SecretMissing) as error:
        log.error(str(error), action="alarm_not_sent")
        return False
    for number in missed:
        log.error(f"address {number} took no alarm", action="alarm_not_sent")
    log.info("alarm sent", action="alarm_sent", begun=len(begun), ended=len(ended))
    return True
