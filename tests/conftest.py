"""Fixtures of all tests, and what holds for all of them: no network but loopback, a clean environment."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.captures import SHARED

pytest_plugins = ["tests.support.chromium", "tests.support.database"]

_OURS = "MPARCHIVE_"
_KEPT = "MPARCHIVE_SHARED"  # says where test material is; the program does not know it

# By default an example that takes over 0.2 s fails, as any may on a machine that has much to do.
settings.register_profile("whatever the load", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("whatever the load")


def pytest_configure() -> None:
    """Whoever runs the tests has an archive of their own: no test may meet it; and children start fast."""
    for name in [name for name in os.environ if name.startswith(_OURS) and name != _KEPT]:
        del os.environ[name]
    os.environ["MPARCHIVE_LANG"] = "en"  # whatever the locale of this machine: tests assert on English words
    # Tests start hundreds of processes; where nothing compiled is kept each compiles everything anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real captures and the real dump beside the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared material at {SHARED}; set MPARCHIVE_SHARED")
    return SHARED


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where CI has the shared material, a test skipped for want of it is an error."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not (os.environ.get("CI") and SHARED.is_dir() and reporter):
        return
    skipped = [report for report in reporter.stats.get("skipped", []) if _KEPT in str(report.longrepr)]
    if skipped:
        reporter.write_line(f"{len(skipped)} tests skipped although {SHARED} is there", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
