"""What machines ask: whether it lives, whether it is ready, and its metrics."""

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from archive.db.engine import NO_DATABASE, Readers
from archive.reports.metrics import ArchiveMetrics
from archive.reports.status import unready

ALIVE, READY, METRICS = "/livez", "/readyz", "/metrics"

_FRESH = {"Cache-Control": "no-store"}


class Alive(BaseModel):
    """This process answers."""

    status: str = "alive"


class Ready(BaseModel):
    """Whether the archive is what its readers expect, and if not, why."""

    status: str
    reasons: list[str]


def operation(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """The three paths; `now` is an aware UTC instant."""
    router = APIRouter(tags=["operation"])
    registry = CollectorRegistry()
    registry.register(ArchiveMetrics(readers.engine, now))

    @router.get(ALIVE, summary="Whether this process answers")
    def livez() -> Alive:
        return Alive()

    @router.get(
        READY,
        summary="Whether the database answers, its schema is the newest, and the archive is fresh",
        response_model=Ready,
        responses={503: {"model": Ready, "description": "Not ready, with the reasons"}},
    )
    def readyz() -> Response:
        reasons = _reasons(readers, now())
        ready = Ready(status="not ready" if reasons else "ready", reasons=reasons)
        return JSONResponse(ready.model_dump(), 503 if reasons else 200, _FRESH)

    @router.get(
        METRICS,
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    def metrics() -> Response:
        return Response(generate_latest(registry), headers=_FRESH, media_type=CONTENT_TYPE_LATEST)

    return router


def _reasons(readers: Readers, now: datetime) -> list[str]:
    try:
        with readers.session() as session:
            return [str(reason) for reason in unready(session, now)]
    except NO_DATABASE:
        return ["the database does not answer; see that its server runs, and MPARCHIVE_DATABASE_URL"]
