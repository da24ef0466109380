"""What a job works with, and how it ends when it cannot do its work."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine

from archive.system import clock
from scheduler.config import Config


@dataclass(frozen=True)
class JobContext:
    """One worker's archive, line and clock. `interrupt` is set when its jobs are to stop.

    `config` is only there where the configuration file is, at `mparchive run`. `settings` are Scrapy settings
    of its crawls.
    """

    engine: Engine
    egress: str
    interrupt: threading.Event
    config: Callable[[], Config] | None = None
    now: Callable[[], datetime] = clock.now
    settings: Mapping[str, str] = field(default_factory=dict)


class Interrupted(Exception):
    """The worker is stopping: the job is handed back as it is."""


class CrawlFailed(Exception):
    """A crawl ended without doing its work; the words say how."""
