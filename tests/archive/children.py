"""What tests run as processes of their own: `python -m tests.archive.children WHAT`."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from archive.db.advisory_locks import Hosts, egress_lock
from archive.db.embedded_server import embedded_postgres
from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.errors import DatabaseUnavailable
from archive.domain.outcomes import Role
from archive.domain.parsed_page import ParsedPage
from archive.export.records import write_csv, write_dump, write_jsonl
from archive.ingest.pages import import_records, store_parse_results
from archive.repository import post_queries
from archive.repository.captures import store_captures
from archive.repository.media import due_media, store_file
from archive.storage.media_files import MediaFolder
from tests.archive.making import NOW, article, capture, image, kept_file, link, record, template

POSTS = 100
IMAGES = 10  # all of them in every post
BODIES = [template(1) + str(number).encode() for number in range(3)]  # stored against the first
PICTURE = b"invented picture" * 1000


def page(number: int, name: str = "shared") -> ParsedPage:
    """Make the page of post `number`, with images that all posts show, at different positions, and a link."""
    media = [image(f"{name}{(number + place) % IMAGES}", place) for place in range(IMAGES)]
    return article(record(number), media=(*media, image("cover", role=Role.COVER)), links=(link(number + 1),))


def hold() -> None:
    """Open the archive, say so, keep it open until stdin ends."""
    with open_archive(ArchiveSettings()):
        print("open", flush=True)
        sys.stdin.read()


def hold_server() -> None:
    """Run the embedded server, say so, keep it until stdin ends."""
    with embedded_postgres(ArchiveSettings().home):
        print("open", flush=True)
        sys.stdin.read()


def have_turn() -> None:
    """Have the turn of the line `home`, say so, keep it until stdin ends."""
    with open_archive(ArchiveSettings()) as engine, egress_lock(engine, "home", Hosts.PAGES):
        _ready()


def refused() -> None:
    """Say why the archive does not open."""
    try:
        hold()
    except DatabaseUnavailable as error:
        print(error)


def come_and_go() -> None:
    """Use the archive of a folder, leave it, and remove the folder."""
    settings = ArchiveSettings()
    with open_archive(settings):
        pass
    shutil.rmtree(settings.home)


def import_all() -> None:
    """Import a hundred records in two transactions, in an order of this process' own, when told to."""
    with open_archive(ArchiveSettings()) as engine:
        _ready()
        order = _order()
        for start in (0, POSTS // 2):
            with transaction(engine) as session:
                chosen = [record(n) for n in order[start : start + POSTS // 2]]
                import_records(session, None, chosen, "dump", NOW)


def store_all() -> None:
    """Keep and store the pages of a hundred posts, in an order of this process' own, when told to."""
    with open_archive(ArchiveSettings()) as engine:
        _ready()
        order = _order()
        with transaction(engine) as session:
            ids = store_captures(session, None, [(None, capture(str(n).encode())) for n in order])
        with transaction(engine) as session:
            readings = [(id_, page(n)) for id_, n in zip(ids, order, strict=True)]
            store_parse_results(session, None, readings, NOW, 1)


def keep() -> None:
    """Keep three answers, then be in the middle of storing what they say and a file of one."""
    settings = ArchiveSettings()
    with open_archive(settings) as engine:
        with transaction(engine) as session:
            ids = store_captures(session, None, [(None, capture(body)) for body in BODIES])
        with transaction(engine) as session:
            readings = [(id_, page(n)) for n, id_ in enumerate(ids)]
            store_parse_results(session, None, readings, NOW, 1)
            file = kept_file(PICTURE)
            path = MediaFolder(settings).put(PICTURE, file.sha256, ".png")
            (medium, *_) = due_media(session, NOW, 1, types=["image"])
            store_file(session, medium.id, replace(file, path=path), NOW)
            _ready()


def export() -> None:
    """Write every post in every format; say how many and how much memory that took at most, in kB."""
    counts: list[int] = []
    with open_archive(ArchiveSettings()) as engine, Path(os.devnull).open("wb") as out:
        for write in (write_dump, write_csv, write_jsonl):
            with transaction(engine) as session:
                counts.append(write(post_queries.records(session), out))
    print(*counts, _peak())


def _peak() -> int:
    # Not ru_maxrss: that counts the process that started this one as well.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def _order() -> list[int]:
    return list(range(POSTS))[:: -1 if sys.argv[2:] == ["backwards"] else 1]


def _ready() -> None:
    print("open", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    whats: dict[str, Callable[[], None]] = {
        "hold": hold,
        "hold server": hold_server,
        "turn": have_turn,
        "come and go": come_and_go,
        "refused": refused,
        "import": import_all,
        "store": store_all,
        "keep": keep,
        "export": export,
    }
    whats[sys.argv[1]]()
