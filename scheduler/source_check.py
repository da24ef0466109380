"""Checks the sources of one account in a crawl process, and collects what each of them lists."""

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from archive.domain.messages import Message
from archive.domain.monitoring import NEIGHBOURS, TITLES_ONLY, unwatched
from archive.reports.status import MAX_ALBUMS
from archive.repository.sources import linked_albums
from crawler.discovery.config import AccountConfig
from crawler.discovery.registry import MAX_FOLLOWED, sources_of
from crawler.discovery.source import Source
from crawler.discovery.sources.archived_links import Neighbourhood
from crawler.process.entry import ProgressEvent, SourceChecked
from scheduler.crawl_process import CrawlResult
from scheduler.egress_session import EgressSession

START_TIME = 120.0  # seconds to start, and for the archive's own part

TIME_PER_SOURCE = 600.0  # seconds: 30 pages 6 s apart, some of them slow

MAX_FOLLOWED_COUNTED = 10  # albums met in posts, as far as the time limit counts them


@dataclass(frozen=True)
class CheckedSources:
    """The sources in the order in which they were finished, and how the crawl itself went."""

    result: CrawlResult
    sources: tuple[SourceChecked, ...] = ()


@dataclass(frozen=True)
class CheckRequest:
    """Which sources of an account to check: all, or these names and kinds.

    `from_start`: list everything, as if it were the first time. `blocked`: leave out those at WeChat's host.
    """

    account: AccountConfig
    only: Collection[str] = field(default=())
    from_start: bool = False
    blocked: bool = False

    @property
    def arguments(self) -> dict[str, str]:
        """Return the arguments of the spider."""
        given = {"account": self.account.model_dump_json(exclude_defaults=True)}
        if self.only:
            given["only"] = ",".join(sorted(self.only))
        given |= {"all": "1"} if self.from_start else {}
        return given | ({"held": "1"} if self.blocked else {})

    @property
    def timeout(self) -> float:
        """Return the seconds it may take: sources of one host are asked one after the other."""
        account = self.account
        given = (account.own_backend, account.official, account.weread, account.weread_agent)
        fixed = sum(map(bool, (*given, account.addresses_file, account.command)))
        followed = MAX_FOLLOWED_COUNTED if account.follow_albums else 0
        sources = len(account.albums) + len(account.feeds) + fixed + followed
        return START_TIME + TIME_PER_SOURCE * max(1, sources)


def configured_sources(session: Session, account: AccountConfig) -> list[Source]:
    """Return the configured sources, and the albums met in posts where these are followed."""
    met = linked_albums(session, account.biz, MAX_FOLLOWED) if account.follow_albums else []
    return sources_of(account, Neighbourhood(albums=tuple(met)))


def unwatched_problem(session: Session, account: AccountConfig) -> Message | None:
    """Return that no configured source lists the account's new posts; None where one does.

    Links between its own posts do not count, nor do albums to follow while none was met.
    """
    if any(source.name not in (NEIGHBOURS, TITLES_ONLY) for source in configured_sources(session, account)):
        return None
    return unwatched(account.name, linked_albums(session, account.biz, MAX_ALBUMS))


def check_sources(
    egress: EgressSession,
    request: CheckRequest,
    *,
    stop: threading.Event | None = None,
    on_source: Callable[[SourceChecked], None] | None = None,
) -> CheckedSources:
    """Check sources in a run of its own; what each lists is stored when `on_source` is called for it.

    Raises what the database raises.
    """
    checked: list[SourceChecked] = []

    def collect(event: ProgressEvent) -> None:
        if isinstance(event, SourceChecked):
            checked.append(event)
            if on_source:
                on_source(event)

    result = egress.crawl(
        None,
        spider="discover",
        arguments=request.arguments,
        timeout=request.timeout,
        stop=stop,
        on_event=collect,
    )
    return CheckedSources(result, tuple(checked))
