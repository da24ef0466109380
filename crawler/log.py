"""How a crawl reports: one line a page, one line a run, each with a stable `action=` word."""

import json
import logging
from typing import Any

from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.logformatter import LogFormatter, LogFormatterResult

from crawler.process.protocol import PAGE_FAILED, PAGE_FETCHED, RUN_FINISHED, SOURCE_TRIED
from crawler.redaction import scrub_log

logger = logging.getLogger("crawler")

_TRACEBACKS = logging.Formatter()


class QuietFormatter(LogFormatter):
    """No line of Scrapy's own for a page: the pipeline has a better one, once it knows what the page is."""

    def crawled(  # type: ignore[override]  # None means no line, as the base class documents
        self, request: Request, response: Response, spider: Spider
    ) -> LogFormatterResult | None:
        """Nothing."""
        return None

    def scraped(  # type: ignore[override]
        self, item: Any, response: Any, spider: Spider
    ) -> LogFormatterResult | None:
        """Nothing."""
        return None


class ScrubbingFilter(logging.Filter):
    """Takes secrets out of whatever line any library writes."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always lets the line through."""
        message = record.getMessage()
        clean = scrub_log(message)
        if clean != message:
            record.msg, record.args = clean, ()
        if record.exc_info and not record.exc_text:
            record.exc_text = scrub_log(_TRACEBACKS.formatException(record.exc_info))
        return True


def quiet_setup() -> None:
    """Leave out Scrapy's account of its own set-up, 60 lines before the first page."""
    for name in ("scrapy.addons", "scrapy.crawler", "scrapy.middleware"):
        logging.getLogger(name).setLevel(logging.WARNING)


class Scrubbing:
    """Puts the filter on every handler, once the spider opens: until then Scrapy replaces its handler."""

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Scrubbing":
        """Scrapy's way in."""
        scrubbing = cls()
        crawler.signals.connect(scrubbing.start, signals.spider_opened)
        return scrubbing

    def start(self) -> None:
        """From here on nothing secret is written."""
        for handler in logging.getLogger().handlers:
            handler.addFilter(ScrubbingFilter())


def page_fetched(done: int, **facts: str) -> None:
    """One page is kept and read."""
    logger.info("%s done=%d %s", PAGE_FETCHED, done, _words(facts))


def page_failed(done: int, **facts: str) -> None:
    """One address gave no page."""
    logger.warning("%s done=%d %s", PAGE_FAILED, done, _words(facts))


def source_tried(told: dict[str, Any]) -> None:
    """One source was asked: its state, what it listed, and what to do, as JSON."""
    logger.info("%s %s", SOURCE_TRIED, json.dumps(told, ensure_ascii=False))


def run_finished(verdict: str, counts: dict[str, Any]) -> None:
    """The run's last line: the verdict, and the counts as JSON for whoever started it."""
    logger.info("%s verdict=%s counts=%s", RUN_FINISHED, verdict, json.dumps(counts, sort_keys=True))


def _words(facts: dict[str, str]) -> str:
    return " ".join(f"{name}={json.dumps(text, ensure_ascii=False)}" for name, text in facts.items() if text)
