"""Endpoints for monitoring: /livez, /readyz and /metrics."""

from collections.abc import Callable, Sequence
from datetime import datetime

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from archive.db.engine import NO_DATABASE, Readers
from archive.domain.messages import Message
from archive.reports.metrics import ArchiveMetrics
from archive.reports.status import unready
from web.http_cache import NO_STORE

LIVE_PATH, READY_PATH, METRICS_PATH = "/livez", "/readyz", "/metrics"

_HEADERS = {"Cache-Control": NO_STORE}


class Alive(BaseModel):
    """The answer of a process that is alive."""

    status: str = "alive"


class Ready(BaseModel):
    """Whether the archive is what its readers expect, and the reasons if it is not."""

    status: str
    reasons: list[str]


def monitoring_router(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """Return the three endpoints; `now` gives an aware UTC instant."""
    router = APIRouter(tags=["operation"])
    registry = CollectorRegistry()
    registry.register(ArchiveMetrics(readers.engine, now))

    @router.get(LIVE_PATH, summary="Whether this process answers")
    def livez() -> Alive:
        return Alive()

    @router.get(
        READY_PATH,
        summary="Whether the database answers, its schema is the newest, and the archive is fresh",
        response_model=Ready,
        responses={503: {"model": Ready, "description": "Not ready, with the reasons"}},
    )
    def readyz() -> Response:
        reasons = [str(reason) for reason in _reasons(readers, now())]
        ready = Ready(status="not ready" if reasons else "ready", reasons=reasons)
        return JSONResponse(ready.model_dump(), 503 if reasons else 200, _HEADERS)

    @router.get(
        METRICS_PATH,
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    def metrics() -> Response:
        return Response(generate_latest(registry), headers=_HEADERS, media_type=CONTENT_TYPE_LATEST)

    return router


def _reasons(readers: Readers, now: datetime) -> Sequence[Message]:
    try:
        with readers.session() as session:
            return unready(session, now)
    except NO_DATABASE:
        return [Message("web.ready.database_away")]
