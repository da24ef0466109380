"""Collect metrics for Prometheus from the archive at every scrape."""

from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.reports.status import archive_numbers
from archive.repository import egress
from archive.repository.incidents import open_incidents
from archive.repository.sources import newest_posts, source_statuses


class ArchiveMetrics(Collector):
    """Size and health of the archive as gauges. `now` returns an aware UTC instant."""

    def __init__(self, engine: Engine, now: Callable[[], datetime]):
        self._engine, self._now = engine, now

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
                ]
        except (DBAPIError, NoConnectionFree):
            metrics = []
        yield GaugeMetricFamily("mparchive_up", "Whether the archive's database answers", bool(metrics))
        yield from metrics


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
    newest = GaugeMetricFamily(
        "mparchive_newest_post_timestamp_seconds", "Publication of an account's newest post", labels=["biz"]
    )
    for biz, instant in newest_posts(session).items():
        newest.add_metric([biz], instant.timestamp())
    yield newest


def _sources(session: Session) -> Iterator[Metric]:
    labels = ["biz", "source"]
    good = GaugeMetricFamily("mparchive_source_good", "Whether a source did what it is for", labels=labels)
    failures = GaugeMetricFamily(
        "mparchive_source_failures", "Tries in a row that were not good", labels=labels
    )
    newest = GaugeMetricFamily(
        "mparchive_source_newest_timestamp_seconds", "Publication of its newest post", labels=labels
    )
    for row in source_statuses(session):
        if row.state:
            good.add_metric([row.biz, row.name], row.failures == 0)
            failures.add_metric([row.biz, row.name], row.failures)
        if row.newest_at:
            newest.add_metric([row.biz, row.name], row.newest_at.timestamp())
    yield from (good, failures, newest)


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
