"""Bare Scrapy: fetches pages and throws them away. Run by `scrapy runspider`."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from scrapy import Request, Spider
from scrapy.http import Response

from bench.ways import CONCURRENCY


class BareSpider(Spider):
    """One request a line of the list."""

    name = "bare"
    custom_settings = {  # noqa: RUF012 - Scrapy's own protocol
        "CONCURRENT_REQUESTS": CONCURRENCY,
        "CONCURRENT_REQUESTS_PER_DOMAIN": CONCURRENCY,
        "DOWNLOAD_DELAY": 0,
        "LOG_LEVEL": "INFO",
    }

    async def start(self) -> AsyncIterator[Request]:
        """All of them."""
        for line in Path(self.listed).read_text().splitlines():  # type: ignore[attr-defined]  # -a listed=
            yield Request(line)

    def parse(self, response: Response, **_: Any) -> None:
        """Nothing."""
