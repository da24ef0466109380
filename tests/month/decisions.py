"""Simulate a month of decisions: which source is asked when, without processes, a database or HTTP.

The timetable's plans, the sources, the screening, the WeRead login's record and the health checks are real;
the stand-in's answers are called directly, and the clock is given. What a crawl and the archive would do
with an address is modelled: a page costs one request, a storm or an address without chksm brings a
challenge, and the egress then backs off as the program does.
"""

import json
import random
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from os import environ
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit

from archive.domain.addresses import HOST, PostAddress, parse_address
from archive.domain.monitoring import SourceStatus, remedy_for
from archive.domain.update_decisions import BARE_A_DAY, challenge_backoff
from archive.system import clock
from crawler.discovery import registry
from crawler.discovery.config import AccountConfig
from crawler.discovery.screening import screen
from crawler.discovery.source import Fetch, Reply, Source, SourceFindings, SourceRun, State
from crawler.discovery.sources.archived_links import ArchivedLinks
from crawler.discovery.sources.feed import read_entries
from crawler.discovery.weread_login import WeReadLogin
from scheduler.config import Schedule
from scheduler.health import AccountHealth, BlockedEgress, Bounds, HealthSnapshot, health_problems
from scheduler.jobs.discover import LOOKS_IN_RESERVE, Planner, Situation, due_sources, planned_times
from scheduler.jobs.report import login_health
from scheduler.polling import HABIT_PERIOD, pushes_a_day, shares, weekly_rates
from tests.standin.account import Account, Post
from tests.standin.discovery import Listings, asking
from tests.standin.pages import Shown
from tests.standin.publishing import pushed
from tests.standin.site import Answer, Site
from tests.standin.weread import sign_in

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
REPORT_EVERY = 30 * MINUTE
PAGES_A_STEP = 10  # pages of one minute, six seconds apart
FEED_HOST = "rss.example"
EGRESS = "default"


@dataclass(frozen=True)
class Subject:
    """An account of the simulation: its configuration and its pushes by time, the past ones too.

    `albumed` and `fed` are the shares of its posts that its album has and its feed sees; the feed sees them
    one to `feed_lag` hours late.
    """

    account: Account
    config: AccountConfig
    pushes: Sequence[tuple[datetime, tuple[Post, ...]]]
    fed: float = 0.0
    feed_lag: float = 5.0


@dataclass(frozen=True)
class Fault:
    """Something that is wrong for a while; posts published meanwhile are not measured."""

    name: str
    begin: datetime
    end: datetime
    start: "Callable[[World], None]"
    stop: "Callable[[World], None]"


@dataclass
class Alarm:
    """One incident: when it began and ended, and whether it says what to do."""

    key: str
    begin: datetime
    end: datetime | None = None
    has_remedy: bool = True


@dataclass
class _Watched:
    """What is stored of an account."""

    statuses: dict[str, SourceStatus] = field(default_factory=dict)
    memories: dict[str, dict[str, object]] = field(default_factory=dict)
    archived: list[datetime] = field(default_factory=list)


def made_push(account: Account, number: int, posts: int, at: datetime, album: str) -> tuple[Post, ...]:
    """Return the posts of a push of any account."""
    made = pushed(number, posts, at)
    return tuple(
        replace(post, account=account, album=album, name=f"{account.bizuin}-{post.name}") for post in made
    )


class World:
    """The accounts, what answers for WeChat, WeRead and a feed service, and what is archived."""

    def __init__(self, folder: Path, subjects: Sequence[Subject], faults: Sequence[Fault], start: datetime):
        self.subjects = subjects
        self.faults = faults
        self.start = self.now = start
        self.site = Site(weight=0)
        self.listings = Listings(self.site)
        self.watched = {one.config.biz: _Watched() for one in subjects}
        self.posts: dict[str, Post] = {}
        self.pending: dict[str, PostAddress] = {}
        self.bare: dict[str, PostAddress] = {}
        self.archived_at: dict[str, datetime] = {}
        self.found_by: dict[str, dict[str, datetime]] = defaultdict(dict)
        self.requests: Counter[str] = Counter()
        self.looks: list[tuple[datetime, str]] = []
        self.alarms: list[Alarm] = []
        self.storm = False
        self.feed_form = "short"
        self.signed_in_at: datetime | None = None
        self._blocked_until: datetime | None = None
        self._challenges = 0
        self._bare_refused_at: datetime | None = None
        self._is_bare_challenge = False
        self._folder = folder
        self._chance = random.Random(11)
        self.login: WeReadLogin = sign_in(folder)

    # -- faults ------------------------------------------------------------------------------------------

    def strike(self, source: str, fault: str | None) -> None:
        """Change what a kind of source answers, or let it be well again."""
        self.listings.strike(source, fault)

    def set_storm(self, on: bool) -> None:
        """Demand verification for pages and listings."""
        self.storm = on
        self.strike("album", "verification" if on else None)

    def sign_in_again(self) -> None:
        """End an expired session as a person does who scans the code again."""
        self.strike("weread", None)
        self.login = sign_in(self._folder)
        self.signed_in_at = self.now

    def add_bare(self, count: int) -> None:
        """Let archived posts link to posts without chksm that no other source lists."""
        for number in range(count):
            post = made_push(self.subjects[0].account, 90_000 + number, 1, self.start - DAY, "")[0]
            address = parse_address(post.bare_url)
            self.bare[address.key] = address

    # -- the loop ----------------------------------------------------------------------------------------

    def run(self, days: float, step: timedelta = MINUTE) -> None:
        """Run for so many days from the start."""
        coming = self._events()
        reported = self.start
        with self._environment():
            while self.now < self.start + days * DAY:
                while coming and coming[0][0] <= self.now:
                    coming.pop(0)[1]()
                self._discover()
                self._fetch()
                if self.now - reported >= REPORT_EVERY:
                    reported = self.now
                    self._report()
                self.now += step

    def _events(self) -> list[tuple[datetime, Callable[[], None]]]:
        events: list[tuple[datetime, Callable[[], None]]] = []
        for subject in self.subjects:
            for at, posts in subject.pushes:
                if at <= self.start:
                    self._publish(posts)
                    self.watched[subject.config.biz].archived.append(at)
                    for post in posts:
                        self.archived_at[_id(post)] = at
                        self.archived_at[parse_address(post.short_url).key] = at
                else:
                    events.append((at, lambda posts=posts: self._publish(posts)))  # type: ignore[misc]
        for fault in self.faults:
            events.append((fault.begin, lambda fault=fault: fault.start(self)))  # type: ignore[misc]
            events.append((fault.end, lambda fault=fault: fault.stop(self)))  # type: ignore[misc]
        return sorted(events, key=lambda one: one[0])

    def _publish(self, posts: Sequence[Post]) -> None:
        for post in posts:
            self.site.add(Shown(post))
            self.posts[post.token] = self.posts[f"{post.account.biz}:{post.aid}"] = post

    @contextmanager
    def _environment(self) -> Iterator[None]:
        with (
            mock.patch.dict(environ, {"MPARCHIVE_HOME": str(self._folder)}),
            mock.patch.object(registry, "read_feed", read_entries),  # not in a process of its own
            mock.patch.object(clock, "now", lambda: self.now),
        ):
            yield

    # -- discovery ---------------------------------------------------------------------------------------

    def _discover(self) -> None:
        login_free = self.login.unavailable(self.now) is None
        due = []
        for subject in self.subjects:
            if not self._may_be_due(subject, login_free):
                continue
            sources, known = self._sources(subject), list(self._of(subject).statuses.values())
            given = {"weread": self.signed_in_at} if self.signed_in_at else {}
            names = due_sources(sources, known, self.now, blocked=self._is_blocked, given=given)
            if names:
                times = planned_times(sources, known, self.now, blocked=self._is_blocked, given=given)
                due.append((min(times.values()), subject.config.biz, subject, sources, names))
        for _, _, subject, sources, names in sorted(due, key=lambda one: one[:2]):
            self._check(subject, [source for source in sources if source.name in names])

    def _may_be_due(self, subject: Subject, login_free: bool) -> bool:
        statuses = self._of(subject).statuses
        if not statuses or self.signed_in_at == self.now:
            return True
        return any(
            (one.next_try_at or self.now) <= self.now
            for one in statuses.values()
            if login_free or one.name != "weread"
        )

    def _of(self, subject: Subject) -> _Watched:
        return self.watched[subject.config.biz]

    def _sources(self, subject: Subject) -> list[Source]:
        found = registry.sources_of(subject.config)
        return [source for source in found if not isinstance(source, ArchivedLinks)]

    @property
    def _is_blocked(self) -> bool:
        return self._blocked_until is not None and self._blocked_until > self.now

    def _check(self, subject: Subject, sources: Sequence[Source]) -> None:
        stored, states = self._of(subject), {}
        for source in sources:
            if source.host == HOST and self._is_blocked:
                continue
            if source.name == "weread" and self.login.unavailable(self.now):
                continue
            findings = self._ask(subject, source)
            states[source.name] = findings.state
            self._store(subject, source.name, findings)
            if findings.state is State.VERIFICATION:
                self._challenge()
        planner = Planner(subject.config, Schedule(), self.now, chance=self._chance.random())
        published = [one for one in stored.archived if one >= self.now - HABIT_PERIOD]
        known = {name: State(one.state) for name, one in stored.statuses.items() if one.state}
        weread = self._weread_share(subject) if "weread" in states else 0.0
        situation = Situation(published, known, weread)
        for name, state in states.items():
            at = planner.next_try(name, state, stored.statuses[name].failures, situation)
            stored.statuses[name] = replace(stored.statuses[name], next_try_at=at)

    def _weread_share(self, subject: Subject) -> float:
        sharing = [subject, *(one for one in self.subjects if one is not subject and one.config.weread)]
        rates = [pushes_a_day(weekly_rates(self._of(one).archived, self.now)) for one in sharing]
        return shares(rates, self.login.looks_a_day - LOOKS_IN_RESERVE)[0]

    def _ask(self, subject: Subject, source: Source) -> SourceFindings:
        run = SourceRun(source, self._of(subject).memories.get(source.name, {}), self.now)
        step = run.step()
        while isinstance(step, Fetch):
            kind = source.name.partition(":")[0]
            if kind == "weread" and (not self.looks or self.looks[-1] != (self.now, subject.config.biz)):
                self.looks.append((self.now, subject.config.biz))
            self.requests[f"listing at {urlsplit(step.url).netloc}"] += 1
            step = run.step(self._reply(subject, step))
        return screen(step, subject.config.biz, source.name, self.now).findings

    def _reply(self, subject: Subject, fetch: Fetch) -> Reply:
        parts = urlsplit(fetch.url)
        if parts.netloc == FEED_HOST:
            return self._feed(subject, dict(fetch.headers).get("If-None-Match", ""))
        prefix = "" if parts.netloc == HOST else f"/_host/{parts.netloc}"
        headers = {name.lower(): value for name, value in fetch.headers}
        asked = asking(f"{prefix}{parts.path}", parts.query, headers, fetch.body)
        answer: Answer
        if self.listings.kind(asked.path):
            answer = self.listings.answer(asked)
        else:
            answer = self.site.answer(parts.path, asked.query, f"{parts.path}?{parts.query}")
        headers_back = (("Content-Type", answer.content_type), *answer.headers)
        return Reply(answer.status, fetch.url, headers_back, answer.content.body)

    def _feed(self, subject: Subject, known: str) -> Reply:
        if self.feed_form == "html":
            return Reply(200, f"https://{FEED_HOST}/", (), b"<!DOCTYPE html><html>synthetic</html>")
        items = []
        for at, posts in _latest(subject, self.now):
            for post in posts:
                chance = random.Random(post.aid)
                if (
                    chance.random() < subject.fed
                    and at + chance.uniform(1, subject.feed_lag) * HOUR <= self.now
                ):
                    url = post.short_url
                    if self.feed_form == "tilde":
                        token = post.token.replace("_", "~")
                        url = f"https://{HOST}/s/{token}"
                    items.append({"id": post.aid, "url": url, "title": post.title})
        mark = f'"{len(items)}-{items[-1]["id"] if items else ""}-{self.feed_form}"'
        body = json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": items}).encode()
        status, body = (304, b"") if known == mark else (200, body)
        return Reply(status, f"https://{FEED_HOST}/{subject.account.bizuin}.json", (("ETag", mark),), body)

    def _store(self, subject: Subject, name: str, findings: SourceFindings) -> None:
        stored = self._of(subject)
        before = stored.statuses.get(name) or SourceStatus(subject.config.biz, subject.config.name, name)
        good = findings.state.good
        stored.memories[name] = findings.memory
        stored.statuses[name] = replace(
            before,
            state=findings.state,
            detail=findings.summary.dump() if findings.summary else "",
            since=before.since if before.state == findings.state else self.now,
            failures=0 if good else before.failures + 1,
            newest_at=findings.newest or before.newest_at,
            last_tried_at=self.now,
            last_good_at=self.now if good else before.last_good_at,
        )
        for listed in findings.posts:
            address = parse_address(listed.url)
            post = self._post_at(address)
            if post is None:
                continue
            self.found_by[_id(post)].setdefault(name, self.now)
            if address.key not in self.pending and not self._is_known(address, post):
                self.pending[address.key] = address

    def _post_at(self, address: PostAddress) -> Post | None:
        return self.posts.get(address.token or f"{address.biz}:{address.aid}")

    def _is_known(self, address: PostAddress, post: Post) -> bool:
        """Tell whether an address is fetched no more: it was, or it is a long one of a stored post."""
        return address.key in self.archived_at or (bool(address.aid) and _id(post) in self.archived_at)

    # -- pages -------------------------------------------------------------------------------------------

    def _fetch(self) -> None:
        for key in list(self.pending)[:PAGES_A_STEP]:
            if self._is_blocked:
                return
            address = self.pending[key]
            self.requests["page"] += 1
            if self.storm:
                self._challenge()
                return
            post = self._post_at(self.pending.pop(key))
            self._challenges = 0
            if post is not None:
                if _id(post) in self.archived_at:
                    self.requests["page again, by another address"] += 1
                else:
                    self.watched[post.account.biz].archived.append(post.created)
                self.archived_at.setdefault(_id(post), self.now)
                self.archived_at[address.key] = self.now
        if not self.pending and self.bare and not self._is_blocked and self._may_ask_bare():
            self.bare.pop(next(iter(self.bare)))  # asked, and answered with a challenge
            self._bare_refused_at = self.now
            self.requests["page without chksm"] += 1
            self._challenge()
            self._is_bare_challenge = True

    def _may_ask_bare(self) -> bool:
        return self._bare_refused_at is None or self.now >= self._bare_refused_at + DAY / BARE_A_DAY

    def _challenge(self) -> None:
        self._challenges += 1
        self._is_bare_challenge = False
        self._blocked_until = self.now + challenge_backoff(self._challenges)

    # -- alarms ------------------------------------------------------------------------------------------

    def _report(self) -> None:
        accounts = []
        for subject in self.subjects:
            stored = self._of(subject)
            days = sorted({at.replace(hour=4, minute=0, second=0, microsecond=0) for at in stored.archived})
            last = max(stored.archived, default=None)
            accounts.append(
                AccountHealth(
                    subject.config.biz, subject.config.name, last, days, list(stored.statuses.values())
                )
            )
        blocked = (
            [BlockedEgress(EGRESS, "verification", self._blocked_until, self._challenges)]
            if self._is_blocked and self._blocked_until and not self._is_bare_challenge
            else []
        )
        logins = [login_health(self.login, self.now)]
        found = health_problems(HealthSnapshot(accounts, blocked, logins), Bounds(), self.now)
        keys = {one.key: one for one in found}
        still_open = {one.key: one for one in self.alarms if one.end is None}
        for key in still_open.keys() - keys.keys():
            still_open[key].end = self.now
        for key in keys.keys() - still_open.keys():
            remedy = str(remedy_for(keys[key].message))
            self.alarms.append(Alarm(key, self.now, has_remedy=bool(remedy) and "scheduler." not in remedy))


def _id(post: Post) -> str:
    return f"{post.account.biz}:{post.aid}"


def _latest(subject: Subject, now: datetime) -> Sequence[tuple[datetime, tuple[Post, ...]]]:
    """Return the newest pushes that are published."""
    until = bisect_right([at for at, _ in subject.pushes], now)
    return subject.pushes[max(0, until - 20) : until]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many new posts of an account a source listed, how many before all others, and how many alone."""

    account: str
    source: str
    listed: int
    first: int
    alone: int


def coverage(world: World) -> list[Coverage]:
    """Return what each source listed of the posts published within the run, by account and source."""
    rows = []
    for subject in world.subjects:
        biz = subject.config.biz
        found = [
            world.found_by[_id(post)]
            for at, posts in subject.pushes
            for post in posts
            if world.start < at < world.now and _id(post) in world.found_by
        ]
        for name in sorted({name for by in found for name in by}):
            mine = [by for by in found if name in by]
            first = sum(by[name] == min(by.values()) for by in mine)
            rows.append(Coverage(biz, name, len(mine), first, sum(len(by) == 1 for by in mine)))
    return rows


@dataclass(frozen=True)
class Measured:
    """The numbers of a simulated month. Delays are from publication to archive."""

    published: int
    archived: int
    delays: tuple[timedelta, ...]
    most_looks: int
    looks_by_account: Mapping[str, int]
    requests: Mapping[str, int]
    alarms: Sequence[Alarm]

    def quantile(self, share: float) -> timedelta:
        """Return the delay that this share of the posts does not exceed."""
        return self.delays[min(len(self.delays) - 1, int(share * len(self.delays)))]

    @property
    def requests_a_post(self) -> float:
        """Return the requests to mp.weixin.qq.com for each new post, its page among them."""
        host = sum(
            n
            for name, n in self.requests.items()
            if name in ("page", "page without chksm", f"listing at {HOST}")
        )
        return host / max(1, self.archived)


def measure(world: World, begin: timedelta = timedelta(0), margin: timedelta = DAY) -> Measured:
    """Measure a world after its run, from `begin` after its start on, without the last `margin`."""
    since = world.start + begin
    published = [one for one in world.posts.values() if since < one.created < world.now - margin]
    posts = {_id(post): post for post in published}
    archived = {key: world.archived_at[key] for key in posts if key in world.archived_at}
    quiet = [
        key
        for key in archived
        if not any(one.begin - HOUR <= posts[key].created < one.end for one in world.faults)
    ]
    times = [at for at, _ in world.looks]
    return Measured(
        len(posts),
        len(archived),
        tuple(sorted(archived[key] - posts[key].created for key in quiet)),
        max((bisect_right(times, at) - bisect_right(times, at - DAY) for at in times), default=0),
        Counter(biz for _, biz in world.looks),
        dict(world.requests),
        world.alarms,
    )
