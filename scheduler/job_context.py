"""What a job of a worker is given, and the errors that decide whether it is run again."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine

from archive.domain.errors import MessageError
from archive.system import clock
from scheduler.egress_session import EgressSession


@dataclass(frozen=True)
class JobContext:
    """The archive, the egress and the clock of one worker. `interrupt` is set when its jobs must end.

    `settings` are Scrapy settings of its crawls.
    """

    engine: Engine
    egress: str
    interrupt: threading.Event
    now: Callable[[], datetime] = clock.now
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def egress_session(self) -> EgressSession:
        """Return the worker's own egress, for its crawls."""
        return self.session_of(self.egress)

    def session_of(self, egress: str) -> EgressSession:
        """Return an egress by name, to plan jobs for it."""
        return EgressSession(self.engine, egress, self.settings, self.now)


class Interrupted(Exception):
    """The worker is stopping: the job is requeued as it is."""


class CrawlFailed(MessageError):
    """A crawl ended without doing its work; the message says why."""
