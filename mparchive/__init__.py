"""The `mparchive` command: arguments in, work called, words and exit codes out."""

import sys
from typing import NoReturn

INTERRUPTED = 130  # as mparchive.errors.Exit, which takes long to import


def main() -> NoReturn:
    """Run the command. Ctrl-C while it is still being imported ends it as later, without a traceback."""
    try:
        from mparchive.cli import main as run  # noqa: PLC0415 - it takes half a second
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run()
