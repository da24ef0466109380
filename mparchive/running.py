"""`mparchive run` and `mparchive worker`: the long-running ones."""

import logging
import sys
from contextlib import nullcontext

from mparchive.beside import ReadingRoom
from mparchive.exits import Exit
from scheduler.config import find_config, load_config


def run_daemon() -> Exit:
    """Schedule and work, and serve the reading room where it is configured.

    Raises ConfigError, SettingError, DatabaseUnavailable.
    """
    from scheduler import daemon  # noqa: PLC0415 - it takes half a second to import, of every command

    path = find_config()
    room = load_config(path).reading_room
    _prepare()
    with ReadingRoom(*room.address) if room else nullcontext():
        return Exit(daemon.run_daemon(path))


def run_worker() -> Exit:
    """Work. Raises SettingError, DatabaseUnavailable."""
    from scheduler import daemon  # noqa: PLC0415 - as above

    _prepare()
    return Exit(daemon.run_worker())


def _prepare() -> None:
    """Libraries' warnings go to stderr, our own lines to stdout."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
