import threading

import pytest
from sqlalchemy import Engine

from scheduler.jobs.base import JobContext
from tests.scheduler.jobs.planning import NOW


@pytest.fixture
def context(engine: Engine) -> JobContext:
    """Return what jobs of a worker at the egress `home` are given, at a fixed instant."""
    return JobContext(engine, "home", threading.Event(), now=lambda: NOW)
