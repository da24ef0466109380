"""Fetch pages with Scrapy alone and discard them; run by `scrapy runspider`."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from scrapy import Request, Spider
from scrapy.http import Response

from bench.ways import CONCURRENCY


class BareSpider(Spider):
    """One request per line of the list."""

    name = "bare"
    custom_settings = {  # noqa: RUF012 - Scrapy's own protocol
        "CONCURRENT_REQUESTS": CONCURRENCY,
        "CONCURRENT_REQUESTS_PER_DOMAIN": CONCURRENCY,
        "DOWNLOAD_DELAY": 0,
        "LOG_LEVEL": "INFO",
    }

    async def start(self) -> AsyncIterator[Request]:
        """Yield a request per line."""
        for line in Path(self.listed).read_text().splitlines():  # type: ignore[attr-defined]  # -a listed=
            yield Request(line)

    def parse(self, response: Response, **_: Any) -> None:
        """Discard the page."""
