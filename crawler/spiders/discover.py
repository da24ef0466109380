"""The spider of sources: asks each source of an account which posts there are, and notes what they say."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError
from scrapy import Request
from scrapy.http import Response
from scrapy.settings import BaseSettings
from twisted.python.failure import Failure

from archive.domain.addresses import HOST
from archive.domain.errors import AddressError
from archive.system import clock
from crawler.discovery.config import AccountConfig
from crawler.discovery.registry import sources_of
from crawler.discovery.requests import TRY, reason_of, reply_of, request_of
from crawler.discovery.source import Ask, Found, Reply, Source, SourceRun, State
from crawler.download.middlewares import RunStopping
from crawler.items import SourceResult
from crawler.parse.response import DamagedAnswer
from crawler.run_stats import SourceTally
from crawler.spiders.base import ArchiveSpider
from crawler.worker import source_tasks, tasks

HOSTS_AT_ONCE = 8  # so that one that hangs holds up no other; each host gets one request at a time

TIMEOUT = 60.0  # seconds for one request; listings are small

RETRIES = 1  # a source that fails twice is tried again at its next time


class DiscoverSpider(ArchiveSpider):
    """`-a account=JSON` (an AccountConfig), `-a only=NAME,NAME`, `-a all=1` to list what is known anew.

    `-a held=1`: but for those at WeChat's own host, which wants to be left alone.
    """

    name = "discover"
    custom_settings = {"ITEM_PIPELINES": {"crawler.pipelines.sources.SourcePipeline": 100}}  # noqa: RUF012 - Scrapy's

    def __init__(
        self,
        account: str = "",
        only: str = "",
        all: str = "",
        held: str = "",
        run: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.run_id = int(run) if run else 0
        self.tally: SourceTally = SourceTally()
        self.account: AccountConfig
        self._given = account
        self._only = {name.strip() for name in only.split(",") if name.strip()}
        self._all = all == "1"
        self._held = held == "1"
        self._ended: list[SourceResult] = []
        self._waiting: defaultdict[str, deque[SourceRun]] = defaultdict(deque)
        self._hosts: set[str] = set()
        self._stopped_hosts: dict[str, str] = {}

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        """One request at a time for each host, several hosts at a time."""
        settings.set("CONCURRENT_REQUESTS", HOSTS_AT_ONCE, priority="cmdline")
        settings.set("CONCURRENT_REQUESTS_PER_DOMAIN", 1, priority="cmdline")
        settings.set("WORKERS", 1, priority="cmdline")
        timeout = min(TIMEOUT, settings.getfloat("DOWNLOAD_TIMEOUT"))
        settings.set("DOWNLOAD_TIMEOUT", timeout, priority="cmdline")
        settings.set("RETRY_TIMES", min(RETRIES, settings.getint("RETRY_TIMES")), priority="cmdline")
        super().update_settings(settings)

    def may_ask(self, url: str) -> bool:
        """Only the hosts of the sources that are tried."""
        parts = urlsplit(url)
        return parts.scheme == "https" and parts.netloc in self._hosts

    def stopping_at(self, url: str) -> str:
        """Also why one host is left alone."""
        return self.stopping or self._stopped_hosts.get(urlsplit(url).netloc, "")

    async def start(self) -> AsyncIterator[Any]:
        """A request for each source that asks anybody; the others have ended by then."""
        async for request in super().start():
            yield request
        for tried in self._ended:
            yield tried

    async def requests(self) -> list[Request]:
        """The first request of each source."""
        self.account = self._account()
        await self.archive.warm_up()
        now = clock.now()
        if not self.run_id:
            arguments = {"account": self.account.biz, "only": sorted(self._only)}
            self.run_id = await self.archive.call(tasks.open_run, "discover", arguments, now)
        biz, digest = self.account.biz, self.account.digest_title
        before = await self.archive.call(source_tasks.before, biz, digest)
        sources = self._chosen(sources_of(self.account, before.around))
        self.wanted = len(sources)
        self._hosts = {source.host for source in sources if source.host}
        tries = [
            SourceRun(one, {} if self._all else before.memories.get(one.name, {}), now) for one in sources
        ]
        steps = [
            step
            for one in self._beginning(tries)
            async for step in self._with_next(await self._step(one, None), one.host)
        ]
        self._ended = [step for step in steps if isinstance(step, SourceResult)]
        return [step for step in steps if isinstance(step, Request)]

    def _account(self) -> AccountConfig:
        try:
            return AccountConfig.model_validate_json(self._given)
        except ValidationError as error:
            raise AddressError(f"-a account= is no account: {error.errors()[0]['msg']}") from None

    def _chosen(self, sources: list[Source]) -> list[Source]:
        names = [source.name for source in sources]
        unknown = self._only - set(names) - {name.partition(":")[0] for name in names}
        if unknown:
            raise AddressError(
                f"{self.account.name} has no source {', '.join(sorted(unknown))}; it has {', '.join(names)}"
            )
        wanted = [one for one in sources if {one.name, one.name.partition(":")[0]} & self._only]
        chosen = wanted if self._only else sources
        return [one for one in chosen if not (self._held and one.host == HOST)]

    def _beginning(self, tries: list[SourceRun]) -> list[SourceRun]:
        """The first source of each host, and all that ask nobody. The others wait for the one before to end.

        Its last answer is read by then: one that asks for verification is the last the host is asked for.
        """
        beginning: list[SourceRun] = []
        for one in tries:
            if one.host and any(first.host == one.host for first in beginning):
                self._waiting[one.host].append(one)
            else:
                beginning.append(one)
        return beginning

    async def _with_next(
        self, step: Request | SourceResult, host: str
    ) -> AsyncIterator[Request | SourceResult]:
        """A source's step; when that is its end, also the first step of the next at its host."""
        yield step
        while isinstance(step, SourceResult) and self._waiting[host]:
            step = await self._step(self._waiting[host].popleft(), None)
            yield step

    async def _step(self, one: SourceRun, reply: Reply | None) -> Request | SourceResult:
        """Go on with a source, in a thread: a feed of some megabytes takes seconds to read."""
        if reply is None and (self.stopping or one.host in self._stopped_hosts):
            return self._tried(one, self._left_alone(one))
        came = await asyncio.to_thread(one.step, reply)
        if isinstance(came, Ask):
            return request_of(came, one).replace(callback=self.parse, errback=self.failed)
        return self._tried(one, came)

    def _tried(self, one: SourceRun, found: Found) -> SourceResult:
        if found.state is State.VERIFICATION and one.host:
            self._stopped_hosts.setdefault(one.host, str(State.VERIFICATION))
        return SourceResult(one.name, found)

    async def parse(self, response: Response, **_: Any) -> AsyncIterator[Request | SourceResult]:
        """Hand the reply to its source."""
        one: SourceRun = response.request.meta[TRY]  # type: ignore[union-attr]  # set by Scrapy
        try:
            reply = await asyncio.to_thread(reply_of, response)
        except DamagedAnswer as damage:
            reply = Reply(error=f"its answer is damaged: {damage}")
        async for step in self._with_next(await self._step(one, reply), one.host):
            yield step

    async def failed(  # type: ignore[override]  # Scrapy takes either
        self, failure: Failure
    ) -> AsyncIterator[Request | SourceResult]:
        """Tell the source that no reply came, or end it because its host is left alone."""
        one: SourceRun = failure.request.meta[TRY]  # type: ignore[attr-defined]  # set by Scrapy
        if isinstance(failure.value, RunStopping):
            step: Request | SourceResult = self._tried(one, self._left_alone(one))
        else:
            step = await self._step(one, Reply(error=reason_of(failure.value, self.settings)))
        async for each in self._with_next(step, one.host):
            yield each

    def _left_alone(self, one: SourceRun) -> Found:
        if one.host in self._stopped_hosts:
            detail = f"not asked: {one.host} asked another source for verification"
            return one.end(State.VERIFICATION, detail)
        return one.end(State.UNREACHABLE, "not asked: the run was stopped")
