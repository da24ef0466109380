"""`mparchive run` and `mparchive worker`: the long-running ones."""

import logging
import sys

from mparchive.exits import Exit
from scheduler.config import find_config


def run_daemon() -> Exit:
    """Schedule and work. Raises ConfigError, SettingError, DatabaseUnavailable."""
    from scheduler import daemon  # noqa: PLC0415 - it takes half a second to import, of every command

    config = find_config()
    _prepare()
    return Exit(daemon.run_daemon(config))


def run_worker() -> Exit:
    """Work. Raises SettingError, DatabaseUnavailable."""
    from scheduler import daemon  # noqa: PLC0415 - as above

    _prepare()
    return Exit(daemon.run_worker())


def _prepare() -> None:
    """Libraries' warnings go to stderr, our own lines to stdout."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
