"""What addresses of pages may hold, in types that refuse everything else."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BeforeValidator, Field

from archive.vocabulary import Kind
from archive.web.faults import written_as_day

MAX_NAME, MAX_CURSOR = 200, 500  # characters


def _empty_is_none(value: Any) -> Any:
    """A form sends also what nobody filled in."""
    return None if value == "" else value


Day = Annotated[date | None, BeforeValidator(written_as_day), BeforeValidator(_empty_is_none), Query()]
OfKind = Annotated[Kind | None, BeforeValidator(_empty_is_none), Query()]
Name = Annotated[Annotated[str, Field(max_length=MAX_NAME)] | None, BeforeValidator(_empty_is_none), Query()]
Cursor = Annotated[
    Annotated[str, Field(max_length=MAX_CURSOR)] | None, BeforeValidator(_empty_is_none), Query()
]


def add_page(router: APIRouter, path: str, endpoint: Any) -> None:
    """Answer GET and HEAD at a path."""
    router.add_api_route(path, endpoint, methods=["GET", "HEAD"], response_class=Response)
