"""The spider of posts: fetches them at addresses that are due, or that were given."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scrapy import Request
from scrapy.http import Response

from archive.repository.frontier import DueAddress
from archive.system import clock
from crawler.download.hosts import is_allowed
from crawler.parse.response import FetchedPage
from crawler.pipelines.base import read_what_was_kept
from crawler.redaction import scrub_log
from crawler.requests import ADDRESS_KEY, post_request
from crawler.spiders.base import ArchiveSpider
from crawler.worker import tasks

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

    def has_got(self, request: Request) -> bool:
        """A post's short link may have led to what its long address is still waiting for."""
        return request.meta.get(ADDRESS_KEY) in self.got

    def may_ask(self, url: str) -> bool:
        """Posts' pages come from mp.weixin.qq.com only."""
        return is_allowed(url)

    async def requests(self) -> list[Request]:
        """One for each address."""
        return [post_request(address) for address in await self._addresses()]

    async def _addresses(self) -> list[DueAddress]:
        await self.archive.warm_up()
        now = clock.now()
        only_this_run = self.run_id or None
        if not self.run_id:
            arguments = {"urls": scrub_log(self.urls or "")[:2000]}
            self.run_id = await self.archive.call(tasks.open_run, "scrapy crawl posts", arguments, now)
        await read_what_was_kept(self.archive, self.run_id, now)
        if self.urls:
            return await self.archive.call(tasks.sight, self.run_id, listed(self.urls), now)
        return await self.archive.call(tasks.due, only_this_run, MAX_ADDRESSES, now)

    def parse(self, response: Response, **_: Any) -> Iterator[FetchedPage]:
        """Hand the answer on, whatever it is."""
        yield self.answer_of(response)


def listed(urls: str) -> list[str]:
    """The addresses of `-a urls=`: a comma-separated list, or a file with one a line."""
    if "://" in urls:
        return [url.strip() for url in urls.split(",") if url.strip()]
    path = Path(urls)
    if path.stat().st_size > MAX_LIST_BYTES:
        raise OSError(f"{path} is over {MAX_LIST_BYTES} bytes; split it")
    lines = (line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines())
    return [line for line in lines if line and not line.startswith("#")]
