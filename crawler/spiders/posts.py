"""The spider of posts: it fetches addresses that are due, or that are given to it."""

import asyncio
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DontCloseSpider
from scrapy.http import Response
from sqlalchemy.exc import SQLAlchemyError

from archive.domain.errors import AddressError, ArchiveError
from archive.repository.frontier import DueAddress
from archive.system import clock
from crawler import log
from crawler.download.middlewares import is_allowed
from crawler.parse.response import FetchedPage
from crawler.pipelines.base import parse_unparsed
from crawler.redaction import scrub_log
from crawler.requests import ADDRESS_KEY, post_request
from crawler.spiders.base import ArchiveSpider
from crawler.worker import tasks
from crawler.worker.pool import WorkerDied

MAX_ADDRESSES = 20_000  # of one run: 33 hours at 6 s each; the rest stays due for the next

MAX_LIST_BYTES = 16 * 1024 * 1024


class PostsSpider(ArchiveSpider):
    """`-a run=ID`: what is due of that run; `-a urls=URL,URL` or `=FILE`: these; neither: all that is due."""

    name = "posts"

    def __init__(self, run: str | None = None, urls: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.run_id = int(run) if run else 0
        self.urls = urls
        self.got: set[str] = set()  # keys of the posts fetched
        self._bare: deque[Request] = deque()  # asked one by one when nothing else is left
        self._asking: asyncio.Task[None] | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        """Create the spider for Scrapy."""
        spider = super().from_crawler(crawler, *args, **kwargs)
        crawler.signals.connect(spider._ask_bare, signals.spider_idle)
        return spider

    def has_got(self, request: Request) -> bool:
        """Tell whether the post was fetched: a short link may have led to one whose long address waits."""
        return request.meta.get(ADDRESS_KEY) in self.got

    def may_ask(self, url: str) -> bool:
        """Allow mp.weixin.qq.com only."""
        return is_allowed(url)

    async def requests(self) -> list[Request]:
        """Return a request for each address."""
        await self.archive.warm_up()
        now = clock.now()
        only_this_run = self.run_id or None
        if not self.run_id:
            arguments = {"urls": scrub_log(self.urls or "")[:2000]}
            self.run_id = await self.archive.call(tasks.open_run, "scrapy crawl posts", arguments, now)
        await parse_unparsed(self.archive, self.run_id, now)
        addresses: list[DueAddress]
        if self.urls:
            addresses = await self.archive.call(tasks.sight, self.run_id, listed_urls(self.urls), now)
        else:
            addresses = await self.archive.call(tasks.due_posts, only_this_run, MAX_ADDRESSES, now)
        if self.urls:
            return [post_request(address) for address in sorted(addresses, key=lambda one: one.is_bare)]
        self.wanted = len(addresses)
        self._bare.extend(post_request(address) for address in addresses if address.is_bare)
        return [post_request(address) for address in addresses if not address.is_bare]

    def _ask_bare(self) -> None:
        """Ask for one bare address when nothing else is left, then for the next: each may be the last."""
        if self._bare and not self.stopping:
            self._asking = asyncio.ensure_future(self._ask_next_bare())
            raise DontCloseSpider

    async def _ask_next_bare(self) -> None:
        engine = self.crawler.engine
        assert engine is not None  # noqa: S101 - Scrapy has set it
        try:
            may_ask = await self.archive.call(tasks.may_ask_bare, clock.now())
        except (ArchiveError, SQLAlchemyError, WorkerDied) as error:
            log.crawl_failed("database_failed", error)
            self.stop("database")
            return
        if may_ask:
            engine.crawl(self._bare.popleft().replace(callback=self.parse, errback=self.failed))
            return
        self.wanted -= len(self._bare)  # they wait for their turn, which is not now
        self._bare.clear()
        await engine.close_spider_async(reason="finished")

    def parse(self, response: Response, **_: Any) -> Iterator[FetchedPage]:
        """Yield the response for the pipeline, whatever it is."""
        yield self.fetched_page(response)


def listed_urls(urls: str) -> list[str]:
    """Return the addresses of `-a urls=`: a comma-separated list, or a file with one per line.

    Raises OSError when the file cannot be read, AddressError when it is too large.
    """
    if "://" in urls:
        return [url.strip() for url in urls.split(",") if url.strip()]
    path = Path(urls)
    if path.stat().st_size > MAX_LIST_BYTES:
        raise AddressError("crawler.posts.list_too_large", path=path, limit=MAX_LIST_BYTES)
    lines = (line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines())
    return [line for line in lines if line and not line.startswith("#")]
