"""Jobs that discover: check the sources of an account that are due, then plan when each is checked next."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from archive.db.advisory_locks import Hosts
from archive.db.engine import transaction
from archive.domain.addresses import HOST
from archive.domain.monitoring import SourceStatus
from archive.repository.sources import plan_sources, published_instants, source_statuses
from crawler.discovery.config import SHORTEST, AccountConfig
from crawler.discovery.registry import given_at
from crawler.discovery.source import Source, State
from crawler.discovery.sources.address_list import AddressList
from crawler.discovery.sources.weread import WeRead
from scheduler.config import Schedule, quiet_between
from scheduler.jobs.base import JobContext, finish, record_outcome, take_turn
from scheduler.polling import (
    HABIT_PERIOD,
    NEEDS_PERSON,
    PollingBounds,
    Work,
    add_jitter,
    is_quiet,
    next_check,
    outside_quiet,
    usual_interval,
)
from scheduler.queue import PlannedJob, egress_queue, host_lock
from scheduler.source_check import CheckedSources, CheckRequest, check_sources, configured_sources

TOGETHER = timedelta(minutes=5)  # sources due within are checked along: starting a crawl costs more

# No plan lies further ahead (a day, half of it for jitter, a day of quiet hours) unless the clock was wrong.
FURTHEST = timedelta(days=3)


def plan_discover(
    context: JobContext, accounts: Sequence[AccountConfig], schedule: Schedule, egresses: list[str]
) -> list[PlannedJob]:
    """Plan a job for each account that has a source due, at an egress that may check it."""
    now = context.now()
    if is_quiet(now, polling_bounds(schedule)):
        return []
    jobs = []
    for account in accounts:
        egress = _egress_for(context, account, egresses, now)
        if egress:
            arguments = {
                "account": account.model_dump(mode="json", exclude_defaults=True),
                "schedule": schedule.model_dump(mode="json", exclude_defaults=True),
            }
            lock = host_lock(egress, HOST)
            jobs.append(PlannedJob(Work.DISCOVER, account.biz, egress_queue(egress), lock, arguments))
    return jobs


def _egress_for(context: JobContext, account: AccountConfig, egresses: list[str], now: datetime) -> str:
    """Return the first egress at which a source of the account may be checked now; empty: none is due."""
    with transaction(context.engine) as session:
        sources, known = configured_sources(session, account), source_statuses(session, account.biz)
    for egress in egresses:
        blocked = context.session_of(egress).blocked_until() is not None
        if due_sources(sources, known, now, blocked=blocked, given=given_at(account)):
            return egress
    return ""


def due_sources(
    sources: Sequence[Source],
    known: Sequence[SourceStatus],
    now: datetime,
    *,
    blocked: bool,
    given: Mapping[str, datetime] | None = None,
) -> list[str]:
    """Return the names of the sources to check now: those due, with those due within TOGETHER.

    Through an egress that is `blocked`, WeChat's own host is not asked. `given`: see registry.given_at.
    """
    planned = {row.name: _planned_at(row, now, (given or {}).get(row.name)) for row in known}
    free = {
        source.name: planned.get(source.name, now)
        for source in sources
        if not (blocked and source.host == HOST) and _may_be_asked(source, now)
    }
    if not any(at <= now for at in free.values()):
        return []
    return sorted(name for name, at in free.items() if at <= now + TOGETHER)


def _may_be_asked(source: Source, now: datetime) -> bool:
    """Tell whether the login that a source uses is neither resting nor used up."""
    return not isinstance(source, WeRead) or source.may_look(now)


def _planned_at(row: SourceStatus, now: datetime, given: datetime | None) -> datetime:
    """Return when a source is due: soon, once a person has provided what it waits for or changed its list."""
    tried, planned = row.last_tried_at, row.next_try_at or now
    waits = row.state in NEEDS_PERSON or row.name == AddressList.name
    if tried and given and waits and tried < given <= now:
        return min(planned, tried + timedelta(minutes=SHORTEST))
    return planned if planned - now <= FURTHEST else now


def polling_bounds(schedule: Schedule) -> PollingBounds:
    """Return the bounds that a schedule sets."""
    return PollingBounds(
        shortest=timedelta(minutes=schedule.shortest_minutes),
        longest=timedelta(minutes=schedule.longest_minutes),
        default=timedelta(minutes=schedule.default_minutes),
        quiet=quiet_between(schedule.quiet_hours) if schedule.quiet_hours else None,
    )


def run_discover(context: JobContext, account: dict[str, Any], schedule: dict[str, Any]) -> None:
    """Check the due sources of an account, and plan the next check of each that was asked.

    Where another crawl has the egress, only sources elsewhere than at WeChat's own host are checked.
    Raises Interrupted, CrawlFailed, or what the database raises.
    """
    watching = AccountConfig.model_validate(account)
    planner = Planner(watching, Schedule.model_validate(schedule), context.now())
    with take_turn(context, Hosts.PAGES) as mine:
        blocked = not mine or context.egress_session.blocked_until() is not None
        with transaction(context.engine) as session:
            sources, known = configured_sources(session, watching), source_statuses(session, watching.biz)
        names = due_sources(sources, known, context.now(), blocked=blocked, given=given_at(watching))
        if names:
            _check(context, planner, names)


def _check(context: JobContext, planner: "Planner", names: Sequence[str]) -> None:
    request = CheckRequest(planner.account, names)
    checked = check_sources(context.egress_session, request, stop=context.interrupt)
    if not checked.result.stopped:
        _record(context, planner.at(context.now()), names, checked)
    finish(checked.result, "discover_ended")


def _record(context: JobContext, planner: "Planner", asked: Sequence[str], checked: CheckedSources) -> None:
    """Back off after a challenge, and plan the next check of each source."""
    biz = planner.account.biz
    states: dict[str, State | None] = dict.fromkeys(asked)
    states |= {one.source: State(one.state) for one in checked.sources}
    if State.VERIFICATION in states.values():
        record_outcome(context, State.VERIFICATION)
    with transaction(context.engine) as session:
        failures = {row.name: row.failures for row in source_statuses(session, biz)}
        published = published_instants(session, biz, planner.now - HABIT_PERIOD)
        times = {
            name: planner.next_try(name, state, failures.get(name, 1), published)
            for name, state in states.items()
        }
        plan_sources(session, biz, times)


@dataclass(frozen=True)
class Planner:
    """Plans the sources of one account after a check.

    `chance` is from 0 to 1 and the same for all sources, so that they stay together.
    """

    account: AccountConfig
    schedule: Schedule
    now: datetime
    chance: float = field(default_factory=random.random)

    def at(self, now: datetime) -> "Planner":
        """Return the same planner at another instant."""
        return Planner(self.account, self.schedule, now, self.chance)

    def next_try(
        self, name: str, state: State | None, failures: int, published: Sequence[datetime]
    ) -> datetime:
        """Return when to check a source next: by a configured interval, else by the account's habit."""
        bounds = polling_bounds(self.schedule)
        minutes = self._configured_minutes(name)
        regular = (
            self.now + timedelta(minutes=minutes) if minutes else usual_interval(published, self.now, bounds)
        )
        moment = next_check(state, failures, regular, self.now, bounds)
        moment = add_jitter(moment, self.now, self.schedule.jitter_percent, self.chance)
        return outside_quiet(moment, bounds)

    def _configured_minutes(self, name: str) -> int | None:
        of_kind: int | None = getattr(self.schedule.every_minutes, name.partition(":")[0], None)
        return of_kind or self.account.every_minutes
