"""What all jobs that crawl share: when an egress may start one, and what a crawl's end means for the job."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import Engine

from archive.db.advisory_locks import Hosts
from archive.db.engine import transaction
from archive.domain.backoff import exponential
from archive.domain.errors import MessageError
from archive.repository.runs import failures_in_a_row
from archive.system import clock
from archive.system.child_processes import ENVIRONMENT_VARIABLE, lifeline
from scheduler.crawl_process import CrawlResult
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
        return EgressSession(self.engine, egress, self.settings, self.now, log_stream=sys.stdout)


class Interrupted(Exception):
    """The worker is stopping: the job is requeued as it is."""


class CrawlFailed(MessageError):
    """A crawl ended without doing its work; the message says why."""


class JobFailed(MessageError):
    """A job did not do its work, for a reason that may pass: the queue runs it again some times."""


FAILED = ("failed", "database", "usage", "media_folder")  # verdicts that say nothing about what was asked

RESTART_FIRST, RESTART_LAST = timedelta(minutes=1), timedelta(hours=1)

log = structlog.get_logger()


@contextmanager
def take_turn(context: JobContext, hosts: Hosts) -> Iterator[bool]:
    """Hold the worker's egress for one crawl; yields False while another crawl has it: no job waits."""
    with context.egress_session.turn(hosts) as mine:
        if not mine:
            log.info("egress in use", action="line_in_use", egress=context.egress, hosts=hosts)
        yield mine


def record_outcome(context: JobContext, verdict: str, fetched: int = 0) -> None:
    """Record what a crawl's end means for the egress, and log a back-off."""
    until = context.egress_session.record_outcome(verdict, fetched)
    if until:
        fields = {"egress": context.egress, "reason": verdict, "until": until}
        log.warning("egress backs off", action="egress_held", **fields)


def finish(result: CrawlResult, action: str) -> None:
    """Log how a crawl ended. Raises Interrupted or CrawlFailed when its work is not done."""
    log.info("crawl ended", action=action, run=result.run_id, verdict=result.verdict, counts=result.counts)
    if result.stopped:
        raise Interrupted("the worker is stopping")
    if result.verdict in FAILED and not result.timed_out:
        raise CrawlFailed("scheduler.crawl.failed", verdict=result.verdict, reason=result.error)


def may_start(context: JobContext, egress: str, command: str) -> bool:
    """Return whether an egress is free, and has waited long enough after crawls that failed by themselves."""
    now = context.now()
    if context.session_of(egress).blocked_until():
        return False
    with transaction(context.engine) as session:
        failures = failures_in_a_row(session, command, egress, FAILED)
    return failures.last_at is None or now >= restart_at(failures.count, failures.last_at)


def restart_at(failures: int, last_at: datetime) -> datetime:
    """Return when to crawl again after so many failures in a row: a minute later, doubling to an hour."""
    return last_at + exponential(failures, RESTART_FIRST, RESTART_LAST)


COMMAND_POLL = 0.25  # seconds; how soon a stop or the end of a command is noticed


def run_mparchive(
    arguments: Sequence[str], interrupt: threading.Event, timeout: float
) -> tuple[int | None, bytes, bytes]:
    """Run our own command in a process that ends with this one; return its exit code and what it printed.

    A command that takes over `timeout` seconds is killed, and has no exit code. Raises Interrupted.
    """
    executable = str(Path(sys.executable).with_name("mparchive"))
    with lifeline() as descriptor:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, ENVIRONMENT_VARIABLE: str(descriptor)},
            pass_fds=(descriptor,),
        )
        until = time.monotonic() + timeout
        while True:
            with suppress(subprocess.TimeoutExpired):
                out, err = process.communicate(timeout=COMMAND_POLL)
                return process.returncode, out, err
            if interrupt.is_set() or time.monotonic() > until:
                process.kill()  # what it has committed stays
                out, err = process.communicate()
                if interrupt.is_set():
                    raise Interrupted("the worker is stopping")
                return None, out, err
