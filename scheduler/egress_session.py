"""How crawls share an egress, the way of this machine to the internet: one lock, one back-off, one outcome.

Commands given by hand and the daemon's jobs use the same object.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TextIO

from sqlalchemy import Engine

from archive.db.advisory_locks import Hosts, egress_lock
from archive.db.engine import transaction
from archive.repository import egress, runs
from archive.system import clock
from crawler.process.entry import ProgressEvent, RunStarted
from scheduler.crawl_process import CrawlResult, crawl


@dataclass(frozen=True)
class EgressSession:
    """One egress as a crawl uses it. `settings` are Scrapy's; a replay of a cassette sends nothing.

    `log_stream` gets the lines of the log of its crawls.
    All methods raise what the database raises.
    """

    engine: Engine
    name: str
    settings: Mapping[str, str] = field(default_factory=dict)
    now: Callable[[], datetime] = clock.now
    log_stream: TextIO | None = None

    @property
    def sends_requests(self) -> bool:
        """Return whether a crawl reaches the network; otherwise it needs no lock and has no back-off."""
        return self.settings.get("CASSETTE_MODE") != "replay"

    @contextmanager
    def turn(
        self, hosts: Hosts, *, wait: float = 0.0, on_wait: Callable[[], None] | None = None
    ) -> Iterator[bool]:
        """Hold the egress for one crawl of these hosts; yields False while another crawl holds it.

        Waits at most `wait` seconds for the end of the other crawl, after calling `on_wait` once.
        """
        if not self.sends_requests:
            yield True
            return
        with egress_lock(self.engine, self.name, hosts, wait=wait, on_wait=on_wait) as mine:
            yield mine

    def blocked_until(self) -> datetime | None:
        """Return until when nothing may be fetched (aware UTC); None while the egress is free."""
        if not self.sends_requests:
            return None
        with transaction(self.engine) as session:
            return egress.blocked_until(session, self.name, self.now())

    def record_outcome(self, verdict: str, fetched: int = 0) -> datetime | None:
        """Free the egress after good pages, back off after a challenge; returns until when, if so."""
        if not self.sends_requests:
            return None
        with transaction(self.engine) as session:
            return egress.record_crawl_end(session, self.name, verdict, fetched, self.now())

    def crawl(  # noqa: PLR0913 - all but the run are options, given by name
        self,
        run_id: int | None,
        *,
        spider: str = "posts",
        arguments: Mapping[str, str] | None = None,
        timeout: float,
        stop: threading.Event | None = None,
        on_event: Callable[[ProgressEvent], None] | None = None,
    ) -> CrawlResult:
        """Crawl through this egress, which the run's row then names; see scheduler.crawl_process.crawl."""

        def record(event: ProgressEvent) -> None:
            if isinstance(event, RunStarted) and self.sends_requests:
                with transaction(self.engine) as session:
                    runs.record_egress(session, event.run_id, self.name, self.now())
            if on_event:
                on_event(event)

        return crawl(
            self.engine,
            run_id,
            spider=spider,
            arguments=arguments,
            settings=self.settings,
            timeout=timeout,
            stop=stop,
            on_event=record,
            log_stream=self.log_stream,
        )
