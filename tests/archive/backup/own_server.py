"""Run a Postgres server of one's own, as in docs/how-to/back-up-and-restore.md, without a port."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from archive.backup.postgres import find_tool
from tests.archive.nobody import AS_NOBODY, NOBODY

TIME = 60  # seconds for any command, and for the server to come to a state
OLDEST = 18  # of PostgreSQL, that the document is for
INSTALLED = Path(__file__).parents[3] / "postgres-servers"  # by bin/postgres-servers
DOCUMENTED = "/pitr"  # where the document has log and bases
DATABASE = "mparchive"


@dataclass(frozen=True)
class OwnServer:
    """It has its socket in `folder`, and below that its data, and in `kept` what the document calls /pitr."""

    folder: Path
    programs: Path  # the folder of PostgreSQL's own programs

    @property
    def database_url(self) -> str:
        """For whoever archives into it."""
        return f"postgresql+psycopg://postgres@/{DATABASE}?host={self.folder}"

    @property
    def kept(self) -> Path:
        """Log and bases."""
        return self.folder / "kept"

    def names(self, folder: str) -> list[str]:
        """Return the names of what is in a folder of `kept`."""
        return sorted(path.name for path in (self.kept / folder).iterdir())

    def sh(self, commands: str) -> str:
        """Run commands of the document in a shell of the server's user; return what they print."""
        before = AS_NOBODY if os.geteuid() == 0 else []
        path = f"{self.programs}:{os.environ['PATH']}"
        place = {"PGDATA": str(self.folder / "data"), "PGHOST": str(self.folder), "PGUSER": "postgres"}
        # A server that is started would hold a pipe open.
        with tempfile.TemporaryFile("w+") as out:
            ran = subprocess.run(
                [*before, "bash", "-ec", commands.replace(DOCUMENTED, str(self.kept))],
                env={**os.environ, **place, "PATH": path, "LC_ALL": "C"},
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=TIME, check=False,
            )  # fmt: skip
            out.seek(0)
            printed = out.read()
        assert ran.returncode == 0, printed
        return printed

    def start(self) -> None:
        """Start it and wait until it answers; without fsync, as a test loses nothing when the power fails."""
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off"
        self.sh(f"pg_ctl start -w -t {TIME} -l {self.folder}/log -o '{options}'")

    def stop(self, how: str = "fast") -> None:
        self.sh(f"pg_ctl stop -w -t {TIME} -m {how}")

    def asked(self, query: str) -> str:
        return self.sh(f'psql -d {DATABASE} -Atc "{query}"').strip()

    def create_database(self, name: str, owner: str = "postgres") -> str:
        """Make an empty database of a role, which is made too; return its address for that role."""
        with psycopg.connect(f"host={self.folder} user=postgres dbname=postgres", autocommit=True) as session:
            known = session.execute("SELECT FROM pg_roles WHERE rolname = %s", [owner]).fetchone()
            if known is None:
                session.execute(f"CREATE ROLE {owner} LOGIN".encode())
            session.execute(f"CREATE DATABASE {name} OWNER {owner}".encode())
        return f"postgresql+psycopg://{owner}@/{name}?host={self.folder}"

    def wait_until(self, condition: str) -> None:
        until = time.monotonic() + TIME
        while self.asked(f"SELECT {condition}") != "t":
            assert time.monotonic() < until, f"{condition} never came; {(self.folder / 'log').read_text()}"
            time.sleep(0.02)


def programs(at_least: int) -> Path:
    """Return the folder of the oldest PostgreSQL here of at least this version."""
    tool = find_tool("initdb", at_least)
    assert tool
    return Path(tool.path).parent


def programs_of(major: int) -> Path | None:
    """Return the folder of the programs of one major version of PostgreSQL; None if it is not installed."""
    installed = INSTALLED / str(major) / "bin"
    if (installed / "initdb").exists():
        return installed
    tool = find_tool("initdb", major)
    return Path(tool.path).parent if tool and tool.version == major else None


@contextmanager
def own_server(at_least: int = OLDEST, of: Path | None = None) -> Iterator[OwnServer]:
    """Run a new server of the oldest version here that is new enough; remove it and its folder at the end.

    `of` is the folder of the programs to use instead.
    """
    with tempfile.TemporaryDirectory(prefix="mparchive-own-") as place:
        server = OwnServer(Path(place), of or programs(at_least))
        server.kept.mkdir()
        if os.geteuid() == 0:
            for folder in (server.folder, server.kept):
                os.chown(folder, NOBODY, NOBODY)
        server.sh("initdb --no-sync -U postgres -A trust -E UTF8 --locale=C")
        try:
            server.start()
            server.create_database(DATABASE)
            yield server
        finally:
            server.sh(f"pg_ctl status >/dev/null || exit 0; pg_ctl stop -w -t {TIME} -m fast")
