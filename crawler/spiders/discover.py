"""The spider of sources: it runs each source of an account, and yields the posts that they list."""

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
from archive.domain.messages import Message
from archive.system import clock
from archive.system.log import add_to_every_line
from crawler.browser.own_profile import BrowserSettings, visit_page
from crawler.discovery.config import AccountConfig
from crawler.discovery.registry import sources_of
from crawler.discovery.requests import SOURCE_RUN, public_findings, source_reply, source_request
from crawler.discovery.source import Fetch, PageVisit, Reply, Source, SourceFindings, SourceRun, State
from crawler.download.middlewares import RunStopping
from crawler.parse.response import DamagedResponse
from crawler.pipelines.base import SourceResult
from crawler.requests import failure_message
from crawler.run_stats import SourceTally
from crawler.spiders.base import ArchiveSpider
from crawler.worker import source_tasks, tasks

MAX_HOSTS = 8  # at a time, so that a slow one delays no other; each host gets one request at a time

TIMEOUT = 60.0  # seconds for one request; listings are small

RETRIES = 1  # a source that fails twice is checked again at its next time


class DiscoverSpider(ArchiveSpider):
    """`-a account=JSON` (an AccountConfig), `-a only=NAME,NAME`, `-a all=1` to list everything again.

    `-a held=1`: leave out the sources at WeChat's own host, which blocks this egress.
    """

    name = "discover"
    custom_settings = {"ITEM_PIPELINES": {"crawler.pipelines.media.SourcePipeline": 100}}  # noqa: RUF012 - Scrapy's

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
        self._account_json = account
        self._only = {name.strip() for name in only.split(",") if name.strip()}
        self._all = all == "1"
        self._blocked = held == "1"
        self._finished: list[SourceResult] = []
        self._waiting: defaultdict[str, deque[SourceRun]] = defaultdict(deque)
        self._hosts: set[str] = set()
        self._stopped_hosts: dict[str, str] = {}

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        """Send one request at a time to each host, to several hosts at a time."""
        settings.set("CONCURRENT_REQUESTS", MAX_HOSTS, priority="cmdline")
        settings.set("CONCURRENT_REQUESTS_PER_DOMAIN", 1, priority="cmdline")
        settings.set("WORKERS", 1, priority="cmdline")
        timeout = min(TIMEOUT, settings.getfloat("DOWNLOAD_TIMEOUT"))
        settings.set("DOWNLOAD_TIMEOUT", timeout, priority="cmdline")
        settings.set("RETRY_TIMES", min(RETRIES, settings.getint("RETRY_TIMES")), priority="cmdline")
        super().update_settings(settings)

    def may_ask(self, url: str) -> bool:
        """Allow the hosts of the sources that are checked."""
        parts = urlsplit(url)
        return parts.scheme == "https" and parts.netloc in self._hosts

    def stopping_at(self, url: str) -> str:
        """Return why no more requests are sent to an address or its host; empty while they are."""
        return self.stopping or self._stopped_hosts.get(urlsplit(url).netloc, "")

    async def start(self) -> AsyncIterator[Any]:
        """Yield a request for each source that sends any, and the results of the others."""
        async for request in super().start():
            yield request
        for result in self._finished:
            yield result

    async def requests(self) -> list[Request]:
        """Return the first request of each source."""
        self.account = self._read_account()
        add_to_every_line(biz=self.account.biz)
        await self.archive.warm_up()
        now = clock.now()
        if not self.run_id:
            arguments = {"account": self.account.biz, "only": sorted(self._only)}
            self.run_id = await self.archive.call(tasks.open_run, "discover", arguments, now)
        biz, digest = self.account.biz, self.account.digest_title
        known = await self.archive.call(source_tasks.known_of, biz, digest)
        sources = self._chosen(sources_of(self.account, known.archived))
        self.wanted = len(sources)
        self._hosts = {source.host for source in sources if source.host}
        runs = [
            SourceRun(source, {} if self._all else known.memories.get(source.name, {}), now)
            for source in sources
        ]
        steps = [
            step
            for run in self._first_of_hosts(runs)
            async for step in self._with_next(await self._step(run, None), run.host)
        ]
        self._finished = [step for step in steps if isinstance(step, SourceResult)]
        return [step for step in steps if isinstance(step, Request)]

    def _read_account(self) -> AccountConfig:
        try:
            return AccountConfig.model_validate_json(self._account_json)
        except ValidationError as error:
            raise AddressError("crawler.discover.bad_account", error=error.errors()[0]["msg"]) from None

    def _chosen(self, sources: list[Source]) -> list[Source]:
        names = [source.name for source in sources]
        unknown = self._only - set(names) - {name.partition(":")[0] for name in names}
        if unknown:
            params = {"account": self.account.name, "unknown": sorted(unknown), "known": names}
            raise AddressError("crawler.discover.unknown_source", **params)
        named = [source for source in sources if {source.name, source.name.partition(":")[0]} & self._only]
        chosen = named if self._only else sources
        return [source for source in chosen if not (self._blocked and source.host == HOST)]

    def _first_of_hosts(self, runs: list[SourceRun]) -> list[SourceRun]:
        """Return the first source of each host, and all without a host; the others wait for the one before.

        When a source's last response asks for verification, no other source sends a request to that host.
        """
        first: list[SourceRun] = []
        for run in runs:
            if run.host and any(other.host == run.host for other in first):
                self._waiting[run.host].append(run)
            else:
                first.append(run)
        return first

    async def _with_next(
        self, step: Request | SourceResult, host: str
    ) -> AsyncIterator[Request | SourceResult]:
        """Yield a source's step; when that is its result, also the first step of the next at its host."""
        yield step
        while isinstance(step, SourceResult) and self._waiting[host]:
            step = await self._step(self._waiting[host].popleft(), None)
            yield step

    async def _step(self, run: SourceRun, reply: Reply | None) -> Request | SourceResult:
        """Continue a source, in a thread: a feed of some megabytes takes seconds to parse."""
        if reply is None and (self.stopping or run.host in self._stopped_hosts):
            return self._result(run, self._not_checked(run))
        step = await asyncio.to_thread(run.step, reply)
        while isinstance(step, Fetch) and step.visit:
            await self._wait(step)
            step = await asyncio.to_thread(run.step, await self._visit(step.url, step.visit))
        if isinstance(step, Fetch):
            await self._wait(step)
            return source_request(step, run).replace(callback=self.parse, errback=self.failed)
        return self._result(run, step)

    async def _wait(self, fetch: Fetch) -> None:
        """Wait as long as a source asks for; a server of our own on loopback needs no such pause."""
        if fetch.wait and not self.settings.get("LOOPBACK"):
            await asyncio.sleep(fetch.wait)

    async def _visit(self, url: str, visit: PageVisit) -> Reply:
        """Open a page in a browser profile; visits are not recorded, and so not replayed."""
        if self.settings.get("CASSETTE_MODE") == "replay":
            return Reply(error=Message("crawler.fetch.not_recorded"))
        launch, agent = self.settings.getdict("PLAYWRIGHT_LAUNCH_OPTIONS"), self.settings["USER_AGENT"]
        loopback = self.settings.get("LOOPBACK") or ""
        return await visit_page(url, visit, BrowserSettings(launch, agent, loopback))

    def _result(self, run: SourceRun, findings: SourceFindings) -> SourceResult:
        if findings.state is State.VERIFICATION and run.host:
            self._stopped_hosts.setdefault(run.host, str(State.VERIFICATION))
        return SourceResult(run.name, public_findings(findings))

    async def parse(self, response: Response, **_: Any) -> AsyncIterator[Request | SourceResult]:
        """Pass the reply to its source, and yield what follows."""
        run: SourceRun = response.request.meta[SOURCE_RUN]  # type: ignore[union-attr]  # set by Scrapy
        try:
            reply = await asyncio.to_thread(source_reply, response)
        except DamagedResponse as damage:
            reply = Reply(error=Message("crawler.source.damaged", {"reason": damage.message}))
        async for step in self._with_next(await self._step(run, reply), run.host):
            yield step

    async def failed(  # type: ignore[override]  # Scrapy takes either
        self, failure: Failure
    ) -> AsyncIterator[Request | SourceResult]:
        """Tell the source that there is no reply, or end it because no requests are sent to its host."""
        run: SourceRun = failure.request.meta[SOURCE_RUN]  # type: ignore[attr-defined]  # set by Scrapy
        if isinstance(failure.value, RunStopping):
            step: Request | SourceResult = self._result(run, self._not_checked(run))
        else:
            step = await self._step(run, Reply(error=failure_message(failure.value, self.settings)))
        async for following in self._with_next(step, run.host):
            yield following

    def _not_checked(self, run: SourceRun) -> SourceFindings:
        if run.host in self._stopped_hosts:
            return run.end(State.VERIFICATION, Message("crawler.discover.host_blocked", {"host": run.host}))
        return run.end(State.UNREACHABLE, Message("crawler.discover.stopped"))
