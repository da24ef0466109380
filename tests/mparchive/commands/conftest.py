"""Run commands in this process, against a real database, in English or Chinese."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from archive.system.catalogues import LANGUAGE_VARIABLE, process_language
from mparchive.cli import app
from mparchive.errors import describe_failure


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, and what it printed."""

    code: int
    out: str
    err: str
    raw: bytes


def run_command(*arguments: object) -> Ended:
    """Run a command as `main` does; an unexpected error is raised."""
    result = CliRunner().invoke(app, list(map(str, arguments)))
    error, code, err = result.exception, result.exit_code, result.stderr
    if error is not None and not isinstance(error, SystemExit):
        described = describe_failure(error) if isinstance(error, Exception) else None
        if described is None:
            raise error
        message, code = described
        err += message.text(process_language())
    return Ended(code, result.stdout, err, result.stdout_bytes)


Run = Callable[..., Ended]


@pytest.fixture(autouse=True)
def _without_material(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the variable that says where test material is: it is no setting of the program."""
    monkeypatch.delenv("MPARCHIVE_SHARED", raising=False)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Engine], Run]:
    """Return a function that makes commands use a database, and the test's folder as home."""

    def use(engine: Engine) -> Run:
        monkeypatch.setenv("MPARCHIVE_DATABASE_URL", engine.url.render_as_string(hide_password=False))
        monkeypatch.setenv("MPARCHIVE_HOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "200")
        return run_command

    return use


@pytest.fixture
def mparchive(engine: Engine, use: Callable[[Engine], Run]) -> Run:
    """Return a function that runs commands on a database of the test's own."""
    return use(engine)


@pytest.fixture
def in_chinese(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the process speak Chinese."""
    monkeypatch.setenv(LANGUAGE_VARIABLE, "zh")
    process_language.cache_clear()
    yield
    monkeypatch.setenv(LANGUAGE_VARIABLE, "en")
    process_language.cache_clear()
