"""Archive of WeChat official-account posts: `mparchive.open` reads one, `main` is the command."""

import atexit
import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from archive.domain.errors import MessageError as Error
    from mparchive.reader import ArchiveReader

__all__ = ["Error", "main", "open"]

# Objects made before the collector looks for garbage; Python's own number is 700. A command imports 1,500
# modules: walking them again and again, where nothing is garbage, was a sixth of its start.
COLLECT_AFTER = 50_000

INTERRUPTED = 130  # as mparchive.errors.Exit, which takes long to import


def open(url_or_home: "str | Path | None" = None) -> "ArchiveReader":
    """Open an archive for reading: the address of its server, its data folder, or that of the environment.

    Close it, or use it in a `with` block. Raises DatabaseUnavailable, NotArchived.
    """
    from mparchive.reader import ArchiveReader  # noqa: PLC0415 - it takes half a second

    return ArchiveReader(url_or_home)


def __getattr__(name: str) -> object:
    """Import the base of all errors when it is first used."""
    if name == "Error":
        from archive.domain.errors import MessageError  # noqa: PLC0415 - as above

        return MessageError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main() -> NoReturn:
    """Run the command. Ctrl-C while it is still being imported ends it as later, without a traceback."""
    gc.set_threshold(COLLECT_AFTER)
    atexit.register(gc.freeze)  # the interpreter's end looks for garbage in all modules: a fifth second
    try:
        from mparchive.cli import main as run  # noqa: PLC0415 - it takes half a second
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run()
