"""Try the sources of an account in a child process, and hear what each says."""

import json
import re
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crawler.discovery.config import AccountConfig
from crawler.process.protocol import SOURCE_TRIED
from scheduler.crawl_process import CrawlResult, crawl

START_TIME = 120.0  # seconds: starting, and the archive's own part

TIME_PER_SOURCE = 600.0  # seconds: 30 pages 6 s apart, and some of them slow

_TRIED = re.compile(rf"{SOURCE_TRIED} (\{{.*\}})$")


@dataclass(frozen=True)
class SourceResult:
    """What one source said. `state` is crawler.discovery.source.State's word; `newest` is aware UTC."""

    source: str
    state: str
    good: bool
    seen: int = 0
    new: int = 0
    newest: datetime | None = None
    detail: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Discovered:
    """What the sources said, in the order they came to an end, and how the crawl itself went."""

    result: CrawlResult
    sources: tuple[SourceResult, ...] = ()


@dataclass(frozen=True)
class Wish:
    """Which sources of an account: all, or these names and kinds.

    `whole`: as if it were the first time. `held`: but for those at WeChat's own host.
    """

    account: AccountConfig
    only: Collection[str] = field(default=())
    whole: bool = False
    held: bool = False

    @property
    def arguments(self) -> dict[str, str]:
        """For the spider."""
        given = {"account": self.account.model_dump_json(exclude_defaults=True)}
        if self.only:
            given["only"] = ",".join(sorted(self.only))
        given |= {"all": "1"} if self.whole else {}
        return given | ({"held": "1"} if self.held else {})

    @property
    def time(self) -> float:
        """Seconds it may take: sources of one host are asked one after the other."""
        account = self.account
        fixed = sum(map(bool, (account.own_backend, account.official, account.addresses_file)))
        followed = 10 if account.follow_albums else 0
        sources = len(account.albums) + len(account.feeds) + fixed + followed
        return START_TIME + TIME_PER_SOURCE * max(1, sources)


def discover(  # noqa: PLR0913 - all but the wish are options, given by name
    wish: Wish,
    run_id: int | None = None,
    *,
    settings: Mapping[str, str] | None = None,
    timeout: float | None = None,
    stop: threading.Event | None = None,
    on_source: Callable[[SourceResult], None] | None = None,
) -> Discovered:
    """Try sources; what each one saw is in the archive when it is heard of. Without a run it opens one."""
    told: list[SourceResult] = []

    def hear(line: str) -> None:
        source = source_of(line)
        if source:
            told.append(source)
            if on_source:
                on_source(source)

    result = crawl(
        run_id,
        spider="discover",
        arguments=wish.arguments,
        settings=settings,
        timeout=timeout or wish.time,
        stop=stop,
        on_line=hear,
    )
    return Discovered(result, tuple(told))


def source_of(line: str) -> SourceResult | None:
    """What a log line says about a source; None for any other line."""
    found = _TRIED.search(line)
    if not found:
        return None
    told: dict[str, Any] = json.loads(found[1])
    newest = datetime.fromisoformat(told["newest"]) if told["newest"] else None
    return SourceResult(**(told | {"newest": newest}))
