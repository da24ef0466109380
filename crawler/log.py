"""How a crawl reports: log lines with a stable `action=` word for people, events for whoever started it."""

import json
import logging
from dataclasses import asdict
from typing import Any

from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.logformatter import LogFormatter, LogFormatterResult

from archive.domain.errors import MessageError, first_line
from archive.domain.messages import Message
from crawler.process.entry import CrawlError, PageDone, RunStarted, SourceChecked, emit
from crawler.redaction import scrub_log

logger = logging.getLogger("crawler")

_TRACEBACKS = logging.Formatter()


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


class ScrubbingFilter(logging.Filter):
    """Removes secrets from the log lines of any library."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the record in place; returns True, since every line is written."""
        message = record.getMessage()
        clean = scrub_log(message)
        if clean != message:
            record.msg, record.args = clean, ()
        if record.exc_info and not record.exc_text:
            record.exc_text = scrub_log(_TRACEBACKS.formatException(record.exc_info))
        return True


def quiet_setup() -> None:
    """Leave out Scrapy's lines about its own set-up, 60 of them before the first page."""
    for name in ("scrapy.addons", "scrapy.crawler", "scrapy.middleware"):
        logging.getLogger(name).setLevel(logging.WARNING)


class Scrubbing:
    """Adds the filter to every handler when the spider opens: until then Scrapy replaces its handler."""

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Scrubbing":
        """Create the extension for Scrapy."""
        scrubbing = cls()
        crawler.signals.connect(scrubbing.start, signals.spider_opened)
        return scrubbing

    def start(self) -> None:
        """Filter everything that is written from now on."""
        for handler in logging.getLogger().handlers:
            handler.addFilter(ScrubbingFilter())


def run_started(run_id: int, wanted: int) -> None:
    """Report that the crawl has its run, and how many things it wants."""
    logger.info("action=run_started run=%d wanted=%d", run_id, wanted)
    emit(RunStarted(run_id, wanted))


def page_fetched(page: PageDone) -> None:
    """Report a page or media file that is stored."""
    logger.info("action=fetched done=%d %s", page.done, _fields(page))
    emit(page)


def page_failed(page: PageDone) -> None:
    """Report an address or media file that gave nothing to store."""
    logger.warning("action=failed done=%d %s", page.done, _fields(page))
    emit(page)


def source_checked(source: SourceChecked) -> None:
    """Report a source that was asked: its state, what it listed, and what to do."""
    fields = asdict(source)
    fields |= {name: str(Message.load(fields[name])) for name in ("detail", "advice") if fields[name]}
    logger.info("action=source_tried %s", json.dumps(fields, ensure_ascii=False))
    emit(source)


def crawl_failed(action: str, error: BaseException) -> None:
    """Report an error that ends the crawl; `action` names it in the log."""
    reason = scrub_log(first_line(error))
    logger.error("action=%s reason=%s", action, reason)
    emit(CrawlError(error.message.dump() if isinstance(error, MessageError) else reason))


def run_finished(verdict: str, counts: dict[str, Any]) -> None:
    """Log the run's last line; whoever started the crawl reads the same from the run's row."""
    logger.info("action=run_finished verdict=%s counts=%s", verdict, json.dumps(counts, sort_keys=True))


def _fields(page: PageDone) -> str:
    fields = {name: value for name, value in asdict(page).items() if name != "done" and value}
    if page.reason:
        fields["reason"] = str(Message.load(page.reason))
    return " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in fields.items())
