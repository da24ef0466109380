"""Jobs that discover: check the sources of an account that are due, then plan when each is checked next."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from archive.db.advisory_locks import Hosts
from archive.db.engine import transaction
from archive.domain.addresses import HOST
from archive.domain.messages import Message
from archive.domain.monitoring import SourceStatus
from archive.repository.sources import (
    plan_sources,
    published_instants,
    pushes_a_day_of,
    source_statuses,
)
from crawler.discovery.config import SHORTEST, AccountConfig
from crawler.discovery.registry import given_at
from crawler.discovery.source import Source, State
from crawler.discovery.sources.address_list import AddressList
from crawler.discovery.sources.weread import WeRead
from scheduler.config import Schedule, quiet_between
from scheduler.jobs.base import JobContext, finish, record_outcome, take_turn
from scheduler.polling import (
    HABIT_PERIOD,
    MOST_JITTER,
    NEEDS_PERSON,
    ONE_DAY,
    OWN_SERVER_LONGEST,
    UNKNOWN_PUSHES_A_DAY,
    PollingBounds,
    Work,
    add_jitter,
    checks_a_day,
    is_own_server,
    is_quiet,
    is_rationed,
    next_check,
    outside_quiet,
    pushes_a_day,
    rationed_check,
    shares,
    usual_interval,
    weekly_rates,
)
from scheduler.queue import PlannedJob, egress_queue, host_lock
from scheduler.source_check import CheckedSources, CheckRequest, check_sources, configured_sources

TOGETHER = timedelta(minutes=5)  # sources due within are checked along: starting a crawl costs more

# Of a login to WeRead that is used up nothing is asked until a look is a day old: so few less are planned.
LOOKS_IN_RESERVE = 0.5

log = structlog.get_logger()

# No plan lies further ahead (a week, half of it for jitter, a day of quiet hours) unless the clock was wrong.
FURTHEST = timedelta(days=12)


def plan_discover(
    context: JobContext, accounts: Sequence[AccountConfig], schedule: Schedule, egresses: list[str]
) -> list[PlannedJob]:
    """Plan a job for each account that has a source due, at an egress that may check it."""
    now = context.now()
    if is_quiet(now, polling_bounds(schedule)):
        return []
    jobs = []
    for account in accounts:
        due = _due_at(context, account, egresses, now)
        if due:
            arguments = {
                "account": account.model_dump(mode="json", exclude_defaults=True),
                "schedule": schedule.model_dump(mode="json", exclude_defaults=True),
                "weread_accounts": weread_accounts(account, accounts),
            }
            egress, since = due
            lock = host_lock(egress, HOST)
            job = PlannedJob(Work.DISCOVER, account.biz, egress_queue(egress), lock, arguments)
            jobs.append((since, job))
    return [job for _, job in sorted(jobs, key=lambda one: one[0])]


def weread_accounts(account: AccountConfig, accounts: Sequence[AccountConfig]) -> list[str]:
    """Return the accounts that share the WeRead login of one, itself included; none where it has no login."""
    if account.weread is None:
        return []
    return [one.biz for one in accounts if one.weread and one.weread.login == account.weread.login]


def _due_at(
    context: JobContext, account: AccountConfig, egresses: list[str], now: datetime
) -> tuple[str, datetime] | None:
    """Return the first egress at which a source may be checked now, and since when the first one is due."""
    with transaction(context.engine) as session:
        sources, known = configured_sources(session, account), source_statuses(session, account.biz)
    given = given_at(account)
    for egress in egresses:
        blocked = context.session_of(egress).blocked_until() is not None
        if due_sources(sources, known, now, blocked=blocked, given=given):
            return egress, min(planned_times(sources, known, now, blocked=blocked, given=given).values())
    return None


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
    free = planned_times(sources, known, now, blocked=blocked, given=given)
    if not any(at <= now for at in free.values()):
        return []
    return sorted(name for name, at in free.items() if at <= now + TOGETHER)


def planned_times(
    sources: Sequence[Source],
    known: Sequence[SourceStatus],
    now: datetime,
    *,
    blocked: bool,
    given: Mapping[str, datetime] | None = None,
) -> dict[str, datetime]:
    """Return when each source is due that may be checked now, by name; see `due_sources`."""
    planned = {row.name: _planned_at(row, now, (given or {}).get(row.name)) for row in known}
    return {
        source.name: planned.get(source.name, now)
        for source in sources
        if not (blocked and source.host == HOST) and _may_be_asked(source, now)
    }


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


def run_discover(
    context: JobContext,
    account: dict[str, Any],
    schedule: dict[str, Any],
    weread_accounts: Sequence[str] = (),
) -> None:
    """Check the due sources of an account, and plan the next check of each that was asked.

    Where another crawl has the egress, only sources elsewhere than at WeChat's own host are checked.
    Raises Interrupted, CrawlFailed, or what the database raises.
    """
    watching = AccountConfig.model_validate(account)
    planner = Planner(
        watching, Schedule.model_validate(schedule), context.now(), weread_accounts=weread_accounts
    )
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
        rows = source_statuses(session, biz)
        failures = {row.name: row.failures for row in rows}
        since = planner.now - HABIT_PERIOD
        situation = Situation(
            published_instants(session, biz, since),
            {row.name: State(row.state) for row in rows if row.state},
            _weread_checks(planner, pushes_a_day_of(session, planner.weread_accounts, since, planner.now)),
        )
        times = {
            name: planner.next_try(name, state, failures.get(name, 1), situation)
            for name, state in states.items()
        }
        plan_sources(session, biz, times)
    new = sum(one.new for one in checked.sources)
    params = {"account": planner.account.name, "n": new, "next": min(times.values())}
    log.info(Message("scheduler.log.checked", params), action="account_checked", biz=biz, new=new)


def _weread_checks(planner: "Planner", expected: Mapping[str, float]) -> float:
    """Return how often a day the account may be asked for by its WeRead login, which others may share."""
    if planner.account.weread is None:
        return 0.0
    sharing = list(dict.fromkeys((planner.account.biz, *planner.weread_accounts)))
    pushes = [expected.get(biz, UNKNOWN_PUSHES_A_DAY) for biz in sharing]
    return shares(pushes, planner.account.weread.looks_a_day - LOOKS_IN_RESERVE)[0]


@dataclass(frozen=True)
class Situation:
    """What plans depend on: when the account published (aware, any order), and how its sources are.

    `weread_checks`: how often a day its WeRead login may be used for it.
    """

    published: Sequence[datetime] = ()
    states: Mapping[str, State | None] = field(default_factory=dict)
    weread_checks: float = 0.0


@dataclass(frozen=True)
class Planner:
    """Plans the sources of one account after a check.

    `chance` is from 0 to 1 and the same for all sources, so that they stay together.
    """

    account: AccountConfig
    schedule: Schedule
    now: datetime
    chance: float = field(default_factory=random.random)
    weread_accounts: Sequence[str] = ()

    def at(self, now: datetime) -> "Planner":
        """Return the same planner at another instant."""
        return replace(self, now=now)

    def next_try(self, name: str, state: State | None, failures: int, situation: Situation) -> datetime:
        """Return when to check a source next: by a configured interval, else by habit and what it costs."""
        bounds = polling_bounds(self.schedule)
        minutes = self._configured_minutes(name)
        regular = self.now + timedelta(minutes=minutes) if minutes else self._regular(name, situation, bounds)
        moment = next_check(state, failures, regular, self.now, bounds)
        most = MOST_JITTER if is_rationed(name) and not minutes else ONE_DAY
        moment = add_jitter(moment, self.now, self.schedule.jitter_percent, self.chance, most)
        return outside_quiet(moment, bounds)

    def _regular(self, name: str, situation: Situation, bounds: PollingBounds) -> datetime:
        rates = weekly_rates(situation.published, self.now)
        configured = {f"album:{album}" for album in self.account.albums}
        followed = [one for one in situation.states if one.startswith("album:") and one not in configured]
        checks = checks_a_day(name, pushes_a_day(rates), situation.states, followed, situation.weread_checks)
        if checks is not None:
            return rationed_check(rates, self.now, checks, bounds)
        usual = usual_interval(situation.published, self.now, bounds)
        longest = max(bounds.shortest, OWN_SERVER_LONGEST)
        return min(usual, self.now + longest) if is_own_server(name) else usual

    def _configured_minutes(self, name: str) -> int | None:
        of_kind: int | None = getattr(self.schedule.every_minutes, name.partition(":")[0], None)
        return of_kind or self.account.every_minutes
