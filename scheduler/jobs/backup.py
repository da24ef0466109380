"""The job that makes a backup: by the command, at a time of day or every so many hours."""

from datetime import datetime, time, timedelta

import structlog

from archive.domain.records import SHANGHAI
from scheduler.config import BackupConfig
from scheduler.jobs.base import CrawlFailed, JobContext, JobFailed, run_mparchive
from scheduler.polling import Work
from scheduler.queue import HOME, PlannedJob

BACKUP_TIMEOUT = 12 * 3600.0  # seconds; the first backup of 1 TB at 25 MB/s

MAX_OUTPUT = 1000  # characters of what the backup printed, for the log

_DONE, _PARTLY, _INTEGRITY = 0, 3, 7  # exit codes of `mparchive backup`

log = structlog.get_logger()


def plan_backup(backup: BackupConfig | None, now: datetime) -> list[PlannedJob]:
    """Plan one job for the last instant at which a backup was due, which the queue takes once.

    So a daemon that was off at that time makes the backup when it starts.
    """
    if backup is None:
        return []
    tick = int(last_due(backup, now).timestamp())
    return [PlannedJob(Work.BACKUP, backup.to, HOME, Work.BACKUP, tick=tick)]


def last_due(backup: BackupConfig, now: datetime) -> datetime:
    """Return the last instant, not after `now`, at which a backup is due."""
    if backup.every_hours is not None:
        seconds = backup.every_hours * 3600
        return datetime.fromtimestamp(now.timestamp() // seconds * seconds, SHANGHAI)
    local = now.astimezone(SHANGHAI)
    due = datetime.combine(local.date(), time.fromisoformat(backup.at), SHANGHAI)
    return due if due <= local else due - timedelta(days=1)


def run_backup(context: JobContext, backup: BackupConfig | None) -> None:
    """Make a backup. Raises Interrupted, JobFailed when there is none, CrawlFailed when it is damaged."""
    if backup is None:
        return
    keep = ["--keep", backup.keep] if backup.keep else []
    arguments = ["backup", "--to", backup.to, *keep]
    code, _, err = run_mparchive(arguments, context.interrupt, BACKUP_TIMEOUT)
    lines = err.decode("utf-8", "replace").strip().splitlines()
    said = " ".join(lines)[-MAX_OUTPUT:]
    if code in (_DONE, _PARTLY):
        write = log.info if code == _DONE else log.warning
        write("backup made", action="backup_made", to=backup.to, code=code, said=said)
        return
    reason = lines[-1][:MAX_OUTPUT] if lines else f"exit code {code}"
    if code == _INTEGRITY:  # another one would be the same
        raise CrawlFailed("scheduler.backup.damaged", to=backup.to, reason=said)
    raise JobFailed("scheduler.backup.failed", to=backup.to, reason=reason)
