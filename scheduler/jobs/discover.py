"""Discover: ask the sources of an account that are due, then plan when each is asked next."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.orm import Session

from archive.db.advisory_locks import Hosts
from archive.db.engine import transaction
from archive.domain.addresses import HOST
from archive.domain.monitoring import SourceStatus
from archive.repository import egress
from archive.repository.sources import linked_albums, plan_sources, published_instants, source_statuses
from crawler.discovery.config import SHORTEST, AccountConfig
from crawler.discovery.registry import MAX_FOLLOWED, given_at, sources_of
from crawler.discovery.source import Source, State
from crawler.discovery.sources.archived_links import Neighbourhood
from scheduler.config import Schedule, quiet_between
from scheduler.job_context import JobContext
from scheduler.jobs.base import end, my_turn
from scheduler.polling import (
    HOPELESS,
    LEARNED_OVER,
    Hours,
    is_quiet,
    next_look,
    outside_quiet,
    rhythm,
    scattered,
)
from scheduler.queue import Order, line_lock, line_queue
from scheduler.source_check import Discovered, Wish, discover
from scheduler.timetable import Work

TOGETHER = timedelta(minutes=5)  # what is due within is asked along: starting a crawl costs more

# No plan lies further ahead (a day, half of it for jitter, a day of quiet hours) unless the clock was wrong.
FURTHEST = timedelta(days=3)

log = structlog.get_logger()


def plan(
    hands: JobContext, accounts: Sequence[AccountConfig], schedule: Schedule, lines: list[str]
) -> list[Order]:
    """A job for each account that has a source due, at a line that is free for it."""
    now = hands.now()
    if is_quiet(now, hours_of(schedule)):
        return []
    made = []
    for account in accounts:
        line = _line_for(hands, account, lines, now)
        if line:
            arguments = {
                "account": account.model_dump(mode="json", exclude_defaults=True),
                "schedule": schedule.model_dump(mode="json", exclude_defaults=True),
            }
            lock = line_lock(line, HOST)
            made.append(Order(Work.DISCOVER, account.biz, line_queue(line), lock, arguments))
    return made


def _line_for(hands: JobContext, account: AccountConfig, lines: list[str], now: datetime) -> str:
    """The first line at which a source of the account may be asked now; empty when none is due."""
    with transaction(hands.engine) as session:
        sources, known = _sources(session, account), source_statuses(session, account.biz)
        for line in lines:
            held = egress.blocked_until(session, line, now) is not None
            if due_sources(sources, known, now, held=held, given=given_at(account)):
                return line
    return ""


def _sources(session: Session, account: AccountConfig) -> list[Source]:
    """Those configured, and the albums met in posts where these are followed."""
    met = linked_albums(session, account.biz, MAX_FOLLOWED) if account.follow_albums else []
    return sources_of(account, Neighbourhood(albums=tuple(met)))


def due_sources(
    sources: Sequence[Source],
    known: Sequence[SourceStatus],
    now: datetime,
    *,
    held: bool,
    given: Mapping[str, datetime] | None = None,
) -> list[str]:
    """The names of the sources to ask now: those due, and with them those that are due in a moment.

    Of a line that is `held` back nothing is asked at WeChat's own host. `given`: see chain.given_at.
    """
    planned = {row.name: _planned(row, now, (given or {}).get(row.name)) for row in known}
    free = {
        source.name: planned.get(source.name, now) for source in sources if not (held and source.host == HOST)
    }
    if not any(at <= now for at in free.values()):
        return []
    return sorted(name for name, at in free.items() if at <= now + TOGETHER)


def _planned(row: SourceStatus, now: datetime, given: datetime | None) -> datetime:
    """When a source is to be asked: now, once a person has given what it waits for."""
    tried, planned = row.last_tried_at, row.next_try_at or now
    if tried and given and row.state in HOPELESS and tried < given <= now:
        return min(planned, tried + timedelta(minutes=SHORTEST))
    return planned if planned - now <= FURTHEST else now


def hours_of(schedule: Schedule) -> Hours:
    """The bounds of a schedule."""
    return Hours(
        shortest=timedelta(minutes=schedule.shortest_minutes),
        longest=timedelta(minutes=schedule.longest_minutes),
        default=timedelta(minutes=schedule.default_minutes),
        quiet=quiet_between(schedule.quiet_hours) if schedule.quiet_hours else None,
    )


def run(hands: JobContext, account: dict[str, Any], schedule: dict[str, Any]) -> None:
    """Ask what is due of an account, and plan the next time of each source that was asked.

    Where another crawl has the line, only sources elsewhere than at WeChat's own host are asked.
    """
    watching, when = AccountConfig.model_validate(account), Schedule.model_validate(schedule)
    now = hands.now()
    with my_turn(hands, Hosts.PAGES) as mine:
        with transaction(hands.engine) as session:
            held = not mine or egress.blocked_until(session, hands.egress, now) is not None
            sources, known = _sources(session, watching), source_statuses(session, watching.biz)
            names = due_sources(sources, known, now, held=held, given=given_at(watching))
        if names:
            _ask(hands, watching, when, names)


def _ask(hands: JobContext, watching: AccountConfig, when: Schedule, names: Sequence[str]) -> None:
    found = discover(Wish(watching, names), settings=hands.settings, stop=hands.interrupt)
    if not found.result.stopped:
        _settle(hands, Planner(watching, when, hands.now()), names, found)
    end(found.result, "discover_ended")


def _settle(hands: JobContext, planner: "Planner", asked: Sequence[str], found: Discovered) -> None:
    """Hold the line after a challenge, and plan."""
    biz, now = planner.account.biz, planner.now
    for one in found.sources:
        log.info("source tried", action="source_tried", biz=biz, **vars(one))
    states: dict[str, State | None] = dict.fromkeys(asked)
    states |= {one.source: State(one.state) for one in found.sources}
    with transaction(hands.engine) as session:
        if State.VERIFICATION in states.values():
            until = egress.block_egress(session, hands.egress, State.VERIFICATION, now)
            log.warning("line held back", action="egress_held", egress=hands.egress, until=str(until))
        failures = {row.name: row.failures for row in source_statuses(session, biz)}
        published = published_instants(session, biz, now - LEARNED_OVER)
        times = {
            name: planner.next_try(name, state, failures.get(name, 1), published)
            for name, state in states.items()
        }
        plan_sources(session, biz, times)


@dataclass(frozen=True)
class Planner:
    """Plans the sources of one account after one try. `chance`: one for all, so that they stay together."""

    account: AccountConfig
    schedule: Schedule
    now: datetime
    chance: float = field(default_factory=random.random)

    def next_try(
        self, name: str, state: State | None, failures: int, published: Sequence[datetime]
    ) -> datetime:
        """When a source is asked next: by its own or the account's interval, else by the account's rhythm."""
        hours = hours_of(self.schedule)
        minutes = self._minutes(name)
        regular = self.now + timedelta(minutes=minutes) if minutes else rhythm(published, self.now, hours)
        moment = next_look(state, failures, regular, self.now, hours)
        moment = scattered(moment, self.now, self.schedule.jitter_percent, self.chance)
        return outside_quiet(moment, hours)

    def _minutes(self, name: str) -> int | None:
        own: int | None = getattr(self.schedule.every_minutes, name.partition(":")[0], None)
        return own or self.account.every_minutes
