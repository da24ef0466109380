"""The spider of posts: it fetches addresses that are due, or that are given to it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scrapy import Request
from scrapy.http import Response

from archive.domain.errors import AddressError
from archive.repository.frontier import DueAddress
from archive.system import clock
from crawler.download.middlewares import is_allowed
from crawler.parse.response import FetchedPage
from crawler.pipelines.base import parse_unparsed
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
        return [post_request(address) for address in addresses]

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
