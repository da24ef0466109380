"""Run a real worker with the daemon's jobs but no timetable: `python -m tests.month.worker_process CONFIG`.

The simulation runs the timetable itself, at simulated times. Killed workers are noticed within seconds here
rather than a minute.
"""

import asyncio
import sys
from pathlib import Path

from archive.db.engine import open_archive
from crawler.process.entry import import_before_forking
from scheduler.config import SchedulerSettings
from scheduler.daemon import CurrentConfig, home_tasks, open_context, prepare_process
from scheduler.queue import HOME
from scheduler.worker import HeartbeatSettings, JobWorker

# Seconds. After a restart of the database no notification of a new job arrives for half a minute; it polls.
PULSE = HeartbeatSettings(every=0.5, poll=0.1, gone_after=2.0)


def main() -> None:
    """Work until SIGTERM."""
    current = CurrentConfig(Path(sys.argv[1]))
    stop = prepare_process(current)
    import_before_forking("scheduler.daemon")  # which this module imports, and each fork imports this module
    with open_archive() as engine:
        context = open_context(engine, SchedulerSettings.read(), stop)
        asyncio.run(JobWorker(context, stop, home_tasks(current), [HOME], PULSE).run())


if __name__ == "__main__":
    main()
