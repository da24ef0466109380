"""Collect metrics for Prometheus from the archive at every scrape."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.models import Account, Address
from archive.domain.outcomes import RunStatus
from archive.reports.status import archive_numbers, free_bytes
from archive.repository import egress
from archive.repository.bare_addresses import IS_BARE
from archive.repository.incidents import open_incidents
from archive.repository.runs import BACKUP, VERIFY, last_finished
from archive.repository.sources import newest_posts, source_statuses

_BACKED_UP = (RunStatus.DONE, RunStatus.PARTLY_FAILED)  # a backup that lacks damaged files is one

_WAITING_JOBS = text(
    "SELECT queue_name, count(*) FROM jobs.procrastinate_jobs WHERE status = 'todo'"
    " GROUP BY queue_name ORDER BY queue_name"
)


class ArchiveMetrics(Collector):
    """Size and health of the archive as gauges. `now` returns an aware UTC instant.

    `folders` are those of the archive on this machine; the free space of their disks is a metric.
    """

    def __init__(self, engine: Engine, now: Callable[[], datetime], folders: Sequence[Path] = ()):
        self._engine, self._now, self._folders = engine, now, folders

    def describe(self) -> list[Metric]:
        """Return no metric in advance: the database need not be there yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics; only mparchive_up while the database does not answer."""
        try:
            with transaction(self._engine) as session:
                now = self._now()
                metrics = [
                    *_numbers(session, now),
                    *_accounts(session),
                    *_sources(session),
                    *_problems(session, now),
                    *_work(session, now),
                ]
        except (DBAPIError, NoConnectionFree):
            metrics = []
        yield GaugeMetricFamily("mparchive_up", "Whether the archive's database answers", bool(metrics))
        yield from metrics
        yield _free_space(self._folders)


def _free_space(folders: Sequence[Path]) -> Metric:
    free = GaugeMetricFamily(
        "mparchive_free_disk_bytes", "Free space on the disk of a folder", labels=["folder"]
    )
    for folder, size in free_bytes(folders).items():
        free.add_metric([folder], size)
    return free


def _numbers(session: Session, now: datetime) -> Iterator[Metric]:
    numbers = archive_numbers(session, now)
    for name, description, value in (
        ("posts", "Posts in the archive", numbers.posts),
        ("versions", "Versions of posts", numbers.versions),
        ("due", "Addresses to be fetched now", numbers.due),
        ("waiting", "Addresses to be fetched later", numbers.waiting),
        ("given_up", "Addresses not asked any more without a final answer", numbers.given_up),
        ("unread", "Captures stored and not parsed", numbers.unread),
        ("stored_bytes", "Bytes of captures as stored", numbers.stored_bytes),
    ):
        yield GaugeMetricFamily(f"mparchive_{name}", description, value)
    captures = GaugeMetricFamily("mparchive_captures", "Captures by outcome", labels=["outcome"])
    for outcome, count in numbers.captures_by_outcome.items():
        captures.add_metric([outcome], count)
    yield captures


def _accounts(session: Session) -> Iterator[Metric]:
    names = GaugeMetricFamily(
        "mparchive_account_info", "1, with an account's name", labels=["biz", "account"]
    )
    for biz, name in session.execute(select(Account.biz, Account.name).order_by(Account.id)):
        names.add_metric([biz, name], 1)
    newest = GaugeMetricFamily(
        "mparchive_newest_post_timestamp_seconds", "Publication of an account's newest post", labels=["biz"]
    )
    for biz, instant in newest_posts(session).items():
        newest.add_metric([biz], instant.timestamp())
    yield from (names, newest)


def _sources(session: Session) -> Iterator[Metric]:
    labels = ["biz", "source"]
    good = GaugeMetricFamily("mparchive_source_good", "Whether a source did what it is for", labels=labels)
    failures = GaugeMetricFamily(
        "mparchive_source_failures", "Tries in a row that were not good", labels=labels
    )
    newest = GaugeMetricFamily(
        "mparchive_source_newest_timestamp_seconds", "Publication of its newest post", labels=labels
    )
    worked = GaugeMetricFamily(
        "mparchive_source_last_good_timestamp_seconds", "When it last did what it is for", labels=labels
    )
    for row in source_statuses(session):
        if row.last_good_at:
            worked.add_metric([row.biz, row.name], row.last_good_at.timestamp())
        if row.state:
            good.add_metric([row.biz, row.name], row.failures == 0)
            failures.add_metric([row.biz, row.name], row.failures)
        if row.newest_at:
            newest.add_metric([row.biz, row.name], row.newest_at.timestamp())
    yield from (good, failures, worked, newest)


def _problems(session: Session, now: datetime) -> Iterator[Metric]:
    incidents = GaugeMetricFamily("mparchive_incidents", "Open incidents", labels=["key"])
    for one in open_incidents(session):
        incidents.add_metric([one.key], 1)
    blocked = GaugeMetricFamily(
        "mparchive_egress_held", "Whether an egress is blocked after a challenge", labels=["egress"]
    )
    for row in egress.list_egresses(session):
        blocked.add_metric([row.name], row.blocked_until is not None and row.blocked_until > now)
    yield from (incidents, blocked)


def _work(session: Session, now: datetime) -> Iterator[Metric]:
    """Yield how old the oldest work is, how many jobs wait, and when the archive was last secured."""
    for name, description, instant in (
        ("oldest_due", "Since when the oldest address is due", _oldest_due(session, now)),
        ("last_verified", "End of the last verification that passed",
         last_finished(session, VERIFY, [RunStatus.SOUND])),
        ("last_backup", "End of the last backup", last_finished(session, BACKUP, _BACKED_UP)),
    ):  # fmt: skip
        metric = GaugeMetricFamily(f"mparchive_{name}_timestamp_seconds", description)
        if instant is not None:
            metric.add_metric([], instant.timestamp())
        yield metric
    waiting = GaugeMetricFamily("mparchive_jobs", "Jobs that wait for a worker", labels=["queue"])
    for queue, count in session.execute(_WAITING_JOBS):
        waiting.add_metric([queue], count)
    yield waiting


def _oldest_due(session: Session, now: datetime) -> datetime | None:
    """Return since when the oldest address is due; bare ones wait for their budget and do not count."""
    at = Address.next_fetch_at
    return session.scalar(select(at).where(at <= now, ~IS_BARE).order_by(at).limit(1))
