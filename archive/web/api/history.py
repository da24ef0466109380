"""Versions, their differences, and captures with their bytes."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from archive import queries
from archive.difference import difference
from archive.errors import NotArchived
from archive.models import Version
from archive.web.api.posts import capture_shape, found_post
from archive.web.api.shapes import Aid, Biz, CaptureShape, Differences, Number, PieceShape, WholeVersion
from archive.web.readers import Readers
from archive.web.unchanged import FOR_EVER, unchanged

_Place = Annotated[int, Query(ge=1, lt=2**31)]
_BYTES = {200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}


def history_router(readers: Readers) -> APIRouter:
    """What posts were, and what the server sent."""
    router = APIRouter()

    @router.get("/posts/{biz}/{aid}/versions/{number}", summary="A state of a post's text")
    def version(biz: Biz, aid: Aid, number: Number) -> WholeVersion:
        with readers.session() as session:
            return WholeVersion.model_validate(_version(session, biz, aid, number))

    @router.get("/posts/{biz}/{aid}/difference", summary="What changed between two versions")
    def differences(biz: Biz, aid: Aid, before: _Place, after: _Place) -> Differences:
        with readers.session() as session:
            one, other = (_version(session, biz, aid, number) for number in (before, after))
        return Differences(
            before=before,
            after=after,
            title=[PieceShape.model_validate(piece) for piece in difference(one.title, other.title)],
            text=[PieceShape.model_validate(piece) for piece in difference(one.text, other.text)],
        )

    @router.get("/captures/{number}", summary="One answer of the server, without its bytes")
    def capture(number: Number) -> CaptureShape:
        with readers.session() as session:
            return capture_shape(queries.capture_told(session, number))

    @router.get(
        "/captures/{number}/body",
        summary="The exact bytes that the server sent",
        response_class=Response,
        responses={**_BYTES, 304: {"description": "You have them"}},  # type: ignore[dict-item]  # as FastAPI has it
    )
    def body(number: Number, request: Request) -> Response:
        with readers.session() as session:
            tag = f'"{queries.capture_told(session, number)["sha256"].hex()}"'
            headers = {"ETag": tag, "Cache-Control": FOR_EVER, "X-Content-Type-Options": "nosniff"}
            if known := unchanged(request, headers):
                return known
            content = queries.capture_body(session, number)
        headers["Content-Disposition"] = f'attachment; filename="capture-{number}"'
        return Response(content, headers=headers, media_type="application/octet-stream")

    return router


def _version(session: Session, biz: str, aid: str, number: int) -> Version:
    versions = queries.versions_of(session, found_post(session, biz, aid))
    for version in versions:
        if version.number == number:
            return version
    raise NotArchived(f"{aid} has {len(versions)} versions, and no version {number}")
