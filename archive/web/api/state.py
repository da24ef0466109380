"""Accounts, and how the archive fares."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from archive import incidents, queries
from archive.watching import watched
from archive.web.api.shapes import (
    Accounts,
    AccountShape,
    IncidentShape,
    SourceShape,
    StatusShape,
)
from archive.web.readers import Readers

MOST_INCIDENTS = 100
RECENT = timedelta(days=30)


def state_router(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """/accounts, /status, /incidents."""
    router = APIRouter()

    @router.get("/accounts", summary="The accounts of the archive")
    def accounts() -> Accounts:
        with readers.session() as session:
            found = queries.archive_status(session, now()).accounts
        return Accounts(accounts=[AccountShape.model_validate(one) for one in found])

    @router.get("/status", summary="How much there is, what waits, what is wrong")
    def status() -> StatusShape:
        with readers.session() as session:
            told = asdict(queries.archive_status(session, now()))
            return StatusShape(
                **{name: told[name] for name in StatusShape.model_fields if name in told},
                incidents=[IncidentShape.model_validate(one) for one in incidents.open_incidents(session)],
                sources=[SourceShape.model_validate(one) for one in watched(session)],
            )

    @router.get("/incidents", summary="What was wrong in the last 30 days, the latest first")
    def recent(limit: Annotated[int, Query(ge=1, le=MOST_INCIDENTS)] = 20) -> list[IncidentShape]:
        with readers.session() as session:
            found = incidents.recent_incidents(session, now() - RECENT)
        return [IncidentShape.model_validate(one) for one in found[:limit]]

    return router
