"""Run a real worker with the daemon's jobs but no timetable: `python -m tests.month.worker_process CONFIG`.

The simulation runs the timetable itself, at simulated times. Killed workers are noticed within seconds here
rather than a minute.
"""

import asyncio
import sys
from pathlib import Path

from archive.db.engine import open_archive
from scheduler.crawl_process import import_before_forking
from scheduler.daemon import Current, hands_of, home_work, ready
from scheduler.queue import HOME
from scheduler.settings import SchedulerSettings
from scheduler.worker import HeartbeatSettings, Worker

# Seconds. After a restart of the database no notification of a new job arrives for half a minute; it polls.
PULSE = HeartbeatSettings(every=0.5, look=0.1, gone_after=2.0)


def main() -> None:
    """Work until SIGTERM."""
    current = Current(Path(sys.argv[1]))
    stop = ready(current)
    import_before_forking("scheduler.daemon")  # which this module imports, and each fork imports this module
    with open_archive() as engine:
        hands = hands_of(engine, SchedulerSettings.read(), stop)
        asyncio.run(Worker(hands, stop, home_work(current), [HOME], PULSE).run())


if __name__ == "__main__":
    main()
