"""Fixtures and rules of all tests: no network but loopback, a clean environment, slow tests marked."""

import logging
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support.captures import SHARED

pytest_plugins = ["tests.support.chromium", "tests.support.database"]

_PREFIX = "MPARCHIVE_"
_MATERIAL = "MPARCHIVE_SHARED"  # where test material is; the program does not read it

# Tests of whole processes: crawls, the daemon, the installed command, servers of their own, a browser.
# Single tests that need more than a quarter of a second have the marker themselves.
SLOW_FOLDERS = ("acceptance", "bench", "container", "month", "plans", "replay")
# Servers, databases of a test's own, archives that are filled first.
SLOW_FIXTURES = {
    *("chromium", "standin", "empty_database_url", "fresh_database_url"),
    *("filled", "original", "small_backup", "store"),
}
SLOW_MODULES = (
    "archive.db.embedded_server",
    "scheduler.crawl_process",
    "scheduler.daemon",
    "subprocess",
    "tests.acceptance.command",
    "tests.archive.backup.own_server",
    "tests.archive.children",
    "tests.archive.nobody",
    "tests.crawler.crawling",
    "tests.standin.client",
)  # a test module that imports one of these, or from it, is slow

# By default an example that takes over 0.2 s fails, as any may on a machine that has much to do.
settings.register_profile("whatever the load", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("whatever the load")


def pytest_configure() -> None:
    """Remove the user's own settings, so that no test can reach their archive."""
    for name in [name for name in os.environ if name.startswith(_PREFIX) and name != _MATERIAL]:
        del os.environ[name]
    os.environ["MPARCHIVE_LANG"] = "en"  # whatever the locale of this machine: tests assert on English words
    # Tests start hundreds of processes; without this variable each would compile everything again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that `make check` leaves to `make test`."""
    for item in items:
        if _is_slow(item):
            item.add_marker(pytest.mark.slow)


def _is_slow(item: pytest.Item) -> bool:
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    fixtures = set(getattr(item, "fixturenames", ()))
    return (
        folder in SLOW_FOLDERS
        or item.get_closest_marker("browser") is not None
        or not SLOW_FIXTURES.isdisjoint(fixtures)
        or _imports_slow_module(getattr(item, "module", None))
    )


@cache
def _imports_slow_module(module: ModuleType | None) -> bool:
    values = vars(module).values() if module else ()
    names = {getattr(value, "__module__", None) or getattr(value, "__name__", "") for value in values}
    return not names.isdisjoint(SLOW_MODULES)


@pytest.fixture(autouse=True)
def _log_of_each_test() -> Iterator[None]:
    """Undo after each test what it set up of the log."""
    yield
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real captures and the real dump outside the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared material at {SHARED}; set MPARCHIVE_SHARED")
    return SHARED


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail in CI if a test was skipped although its material is there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not (os.environ.get("CI") and SHARED.is_dir() and reporter):
        return
    skipped = [report for report in reporter.stats.get("skipped", []) if _MATERIAL in str(report.longrepr)]
    if skipped:
        reporter.write_line(f"{len(skipped)} tests skipped although {SHARED} is there", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
