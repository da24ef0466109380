"""Captures that were kept but never read: a worker or a whole crawl died in between."""

import logging
from datetime import datetime

from crawler import worker
from crawler.offload import Worker, WorkerDied
from crawler.reading import DEADLY

logger = logging.getLogger("crawler")


async def read_what_was_kept(archive: Worker, run_id: int, now: datetime) -> int:
    """Read each of them, one at a time; one that kills the worker is put down as unknown.

    Returns how many were read. Raises WorkerDied only when a fresh worker cannot even note that.
    """
    captures = await archive.call(worker.unread)
    for capture_id in captures:
        try:
            await archive.call(worker.read_kept, run_id, capture_id, now)
        except WorkerDied:
            logger.error("action=unreadable capture=%d", capture_id)
            await archive.call(worker.give_up, run_id, capture_id, DEADLY, now)
    if captures:
        logger.info("action=recovered captures=%d", len(captures))
    return len(captures)
