"""Watches whether the database answers, and raises the alarm when it does not.

The other alarms are jobs of the queue, which is in the database itself: this one cannot be.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import URL

from archive.db.engine import connection_problem
from archive.domain.messages import Message
from archive.system import clock
from scheduler.config import Ping
from scheduler.ping import report_problems

CHECK_EVERY = timedelta(seconds=10)

CHECK_TIMEOUT = timedelta(seconds=10)  # for a connection and an answer

# Longer than the embedded Postgres takes to come back, and with two checks still within a minute.
ALARM_AFTER = timedelta(seconds=20)

ALARM_AGAIN = timedelta(minutes=5)  # as often as the report pings while all is well

log = structlog.get_logger()


@dataclass
class DatabaseWatch:
    """Checks one database again and again; `ping` returns the monitoring service in force, if any."""

    url: URL
    ping: Callable[[], Ping | None]
    now: Callable[[], datetime] = clock.now
    _away_since: datetime | None = field(default=None, init=False)
    _alarmed_at: datetime | None = field(default=None, init=False)

    async def run(self, every: timedelta = CHECK_EVERY) -> None:
        """Check until cancelled."""
        while True:
            alarm = self.note(await connection_problem(self.url, CHECK_TIMEOUT))
            if alarm:
                await asyncio.to_thread(report_problems, self.ping(), [alarm])
            await asyncio.sleep(every.total_seconds())

    def note(self, reason: str) -> Message | None:
        """Take the result of a check, "" for an answer; return the alarm when one is due now."""
        now = self.now()
        if not reason:
            if self._away_since:
                log.info("the database answers again", action="database_back", away=now - self._away_since)
            self._away_since = self._alarmed_at = None
            return None
        self._away_since = self._away_since or now
        if now - self._away_since < ALARM_AFTER:
            return None
        if self._alarmed_at and now - self._alarmed_at < ALARM_AGAIN:
            return None
        self._alarmed_at = now
        alarm = Message("scheduler.database.away", {"since": self._away_since, "reason": reason})
        log.error(alarm, action="database_alarm")
        return alarm
