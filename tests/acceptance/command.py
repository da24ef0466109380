"""Runs the installed command in processes of its own, against a real database and a server on loopback."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from archive.integrity.verifier import verify_archive
from mparchive.commands.verify import check_context
from tests.crawler.crawling import plain

EXECUTABLE = Path(sys.executable).with_name("mparchive")
TIMEOUT = 200  # seconds; the longest command of these tests takes half a minute
NOWHERE = "http://127.0.0.1:9"  # nothing listens there: a test that needs a server names one


def _hear_ctrl_c() -> None:
    """Restore SIGINT, which children of a shell's background jobs ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Command:
    """`mparchive`, with an archive of the test's own."""

    database_url: str
    home: Path
    loopback: str = NOWHERE
    chromium: str = ""
    before: tuple[str, ...] = ()  # what the command is started by, as setpriv
    timeout: float = TIMEOUT  # seconds

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name != "MPARCHIVE_SHARED"},
            "MPARCHIVE_DATABASE_URL": self.database_url,
            "MPARCHIVE_HOME": str(self.home),
            "MPARCHIVE_LOOPBACK": self.loopback,
            "MPARCHIVE_DOWNLOAD_DELAY": "0",
            "MPARCHIVE_CHROMIUM": self.chromium,
            "COLUMNS": "200",
        }

    def __call__(self, *arguments: object, stdin: bytes = b"") -> Done:
        done = subprocess.run(
            [*self.before, EXECUTABLE, *map(str, arguments)],
            input=stdin,
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            timeout=self.timeout,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr.decode())

    def start(
        self, *arguments: object, listen: bool = False, **environment: str
    ) -> "subprocess.Popen[bytes]":
        """Start it without waiting; its words are for whoever listens."""
        return subprocess.Popen(
            [EXECUTABLE, *map(str, arguments)],
            env=self.environment | environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if listen else subprocess.DEVNULL,
            preexec_fn=_hear_ctrl_c,  # noqa: PLW1509 - no threads here
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(plain(self.database_url)) as connection:
            return connection.execute(query).fetchall()

    def number(self, query: str) -> int:
        ((number,),) = self.rows(query)
        return int(number)

    def execute(self, statement: str) -> None:
        with psycopg.connect(plain(self.database_url)) as connection:
            connection.execute(statement)

    def findings(self) -> list[str]:
        """Return what `mparchive verify` finds, without starting a command."""
        settings = ArchiveSettings(database_url=self.database_url, home=self.home)
        with open_archive(settings) as engine:
            return [str(finding) for finding in verify_archive(engine, check_context(settings)).findings]
