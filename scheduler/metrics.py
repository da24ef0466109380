"""The daemon's metrics for Prometheus, over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from sqlalchemy import Engine

from archive.db.settings import ArchiveSettings
from archive.reports.metrics import ArchiveMetrics
from archive.system import clock
from crawler.media.settings import SettingError


@contextmanager
def serve_metrics(engine: Engine, host: str, port: int) -> Iterator[int]:
    """Serve /metrics for the block; yields the port. Raises SettingError when it cannot be opened."""
    registry = CollectorRegistry()
    registry.register(ArchiveMetrics(engine, clock.now, ArchiveSettings().local_folders()))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        address, reason = f"{host}:{port}", error.strerror or str(error)
        raise SettingError(
            "scheduler.settings.cannot_serve_metrics", address=address, reason=reason
        ) from None
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
