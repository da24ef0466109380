"""Metrics for Prometheus, beside the daemon."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from sqlalchemy import Engine

from archive.reports.metrics import ArchiveMetrics
from archive.system import clock
from crawler.media.settings import SettingError


@contextmanager
def serve_metrics(engine: Engine, host: str, port: int) -> Iterator[int]:
    """Serve /metrics while the block runs; the port. Raises SettingError when it is taken."""
    registry = CollectorRegistry()
    registry.register(ArchiveMetrics(engine, clock.now))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise SettingError(
            f"MPARCHIVE_METRICS: nothing can be served at {host}:{port} ({error.strerror})"
        ) from None
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
