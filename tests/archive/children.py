"""What tests run as processes of their own: `python -m tests.archive.children WHAT`."""

import sys
from collections.abc import Callable

from archive.config import ArchiveSettings
from archive.database import open_archive, transaction
from archive.store import import_records, keep_captures, store_readings
from tests.archive.making import NOW, article, capture, record

POSTS = 100


def hold() -> None:
    """Open the archive, say so, keep it open until stdin ends."""
    with open_archive(ArchiveSettings()):
        print("open", flush=True)
        sys.stdin.read()


def import_all() -> None:
    """Import a hundred records in two transactions, when told to."""
    with open_archive(ArchiveSettings()) as engine:
        _ready()
        for start in (0, POSTS // 2):
            with transaction(engine) as session:
                chosen = [record(n) for n in range(start, start + POSTS // 2)]
                import_records(session, None, chosen, "dump", NOW)


def store_all() -> None:
    """Keep and store the pages of a hundred posts, in an order of this process' own, when told to."""
    with open_archive(ArchiveSettings()) as engine:
        _ready()
        order = list(range(POSTS))
        if sys.argv[2:] == ["backwards"]:
            order.reverse()
        with transaction(engine) as session:
            kept = keep_captures(session, None, [(None, capture(str(n).encode())) for n in order])
        with transaction(engine) as session:
            readings = [(id_, article(record(n))) for id_, n in zip(kept, order, strict=True)]
            store_readings(session, None, readings, NOW, 1)


def _ready() -> None:
    print("open", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    whats: dict[str, Callable[[], None]] = {"hold": hold, "import": import_all, "store": store_all}
    whats[sys.argv[1]]()
