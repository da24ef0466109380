import threading

import pytest
from sqlalchemy import Engine

from scheduler.job_context import JobContext
from tests.scheduler.jobs.planning import NOW


@pytest.fixture
def context(engine: Engine) -> JobContext:
    """What jobs of a worker at the egress `home` work with, at a fixed instant."""
    return JobContext(engine, "home", threading.Event(), now=lambda: NOW)
