"""How a crawl reports: log lines with a stable event name for people, events for whoever started it."""

import logging
import os
from dataclasses import asdict
from typing import Any

import structlog
from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.logformatter import LogFormatter, LogFormatterResult

from archive.domain.errors import MessageError, first_line
from archive.domain.messages import Message
from archive.system.log import add_to_every_line, format_for, log_formatter, use_standard_logging
from crawler.process.entry import CrawlError, PageDone, RunStarted, SourceChecked, emit
from crawler.redaction import scrub_log

logger = structlog.get_logger("crawler")

_STORED = ("new", "changed")  # what whoever watches is told of a page; the words of tasks.PageResult

_MESSAGES = ("reason", "detail", "advice")  # fields of events that hold a stored message


class QuietFormatter(LogFormatter):
    """Leaves out Scrapy's own lines about a page: the pipelines write better ones once the page is parsed."""

    def crawled(  # type: ignore[override]  # None means no line, as the base class documents
        self, request: Request, response: Response, spider: Spider
    ) -> LogFormatterResult | None:
        """Return no line."""
        return None

    def scraped(  # type: ignore[override]
        self, item: Any, response: Any, spider: Spider
    ) -> LogFormatterResult | None:
        """Return no line."""
        return None


def quiet_setup() -> None:
    """Leave out Scrapy's lines about its own set-up, 60 of them before the first page."""
    for name in ("scrapy.addons", "scrapy.crawler", "scrapy.middleware"):
        logging.getLogger(name).setLevel(logging.WARNING)


class UnifiedLog:
    """Gives Scrapy's own handler our format when the spider opens: until then Scrapy replaces its handler.

    A crawl that mparchive starts has our handler from the beginning; this is for `scrapy crawl` by hand.
    """

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "UnifiedLog":
        """Create the extension for Scrapy."""
        extension = cls()
        crawler.signals.connect(extension.start, signals.spider_opened)
        return extension

    def start(self) -> None:
        """Format everything that is written from now on, without secrets."""
        use_standard_logging()
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler):
                # As in the process that started this crawl, which has refused an unknown format.
                log_format = format_for(handler.stream, os.environ, unknown="human")
                handler.setFormatter(log_formatter(log_format, scrub_log))


def run_started(run_id: int, wanted: int) -> None:
    """Report that the crawl has its run, which later lines name, and how many things it wants."""
    add_to_every_line(run=run_id)
    logger.info("run started", action="run_started", wanted=wanted)
    emit(RunStarted(run_id, wanted))


def page_fetched(page: PageDone) -> None:
    """Report a page or media file that is stored."""
    message: Message | str = "fetched"
    if page.stored in _STORED:
        message = Message(f"crawler.log.{page.stored}", {"title": page.title, "aid": page.aid})
    logger.info(message, action="fetched", **_fields(page))
    emit(page)


def page_failed(page: PageDone) -> None:
    """Report an address or media file that gave nothing to store."""
    logger.warning("nothing to store", action="failed", **_fields(page))
    emit(page)


def source_checked(source: SourceChecked) -> None:
    """Report a source that was asked: its state, what it listed, and what to do."""
    logger.info("source checked", action="source_tried", **_fields(source))
    emit(source)


def crawl_failed(action: str, error: BaseException) -> None:
    """Report an error that ends the crawl; `action` names it in the log."""
    reason = scrub_log(first_line(error))
    logger.error("the crawl ends", action=action, reason=reason)
    emit(CrawlError(error.message.dump() if isinstance(error, MessageError) else reason))


def run_finished(verdict: str, counts: dict[str, Any]) -> None:
    """Log the run's last line; whoever started the crawl reads the same from the run's row."""
    logger.info("run finished", action="run_finished", verdict=verdict, counts=counts)


def _fields(event: PageDone | SourceChecked) -> dict[str, Any]:
    """Return the fields of an event that say something, stored messages as messages."""
    fields = {name: value for name, value in asdict(event).items() if value not in ("", None)}
    return {name: Message.load(value) if name in _MESSAGES else value for name, value in fields.items()}
