"""Search."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from archive.search import Hit, parse, search
from archive.search.finding import MAX_LIMIT, Order
from archive.vocabulary import Kind
from archive.web.api.shapes import AccountName, After, Day
from archive.web.readers import Readers


class ExcerptPiece(BaseModel):
    """A stretch of an excerpt; `found` where it is one of the words."""

    text: str
    found: bool


class HitShape(BaseModel):
    """A post that has the words."""

    biz: str
    aid: str
    account: str
    title: str
    published_on: date
    kind: str | None
    excerpt: list[ExcerptPiece]


class Hits(BaseModel):
    """A page of them; `next` is the cursor of the next page, null at the end."""

    hits: list[HitShape]
    next: str | None


def search_router(readers: Readers) -> APIRouter:
    """/search."""
    router = APIRouter()

    @router.get("/search", summary="Posts that contain the words")
    def find(  # noqa: PLR0913, PLR0917 - a filter is an argument
        q: Annotated[str, Query(description='Words, "phrases", -exclusions', max_length=2000)],
        account: AccountName = None,
        kind: Kind | None = None,
        since: Day = None,
        until: Day = None,
        order: Order = "date",
        after: After = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 20,
    ) -> Hits:
        query = parse(q)
        with readers.session() as session:
            found = search(
                session,
                query,
                account=account,
                kind=kind,
                since=since,
                until=until,
                order=order,
                limit=limit,
                after=after,
            )
        return Hits(hits=[_shape(hit) for hit in found.hits], next=found.next)

    return router


def _shape(hit: Hit) -> HitShape:
    pieces = [ExcerptPiece(text=text, found=found) for text, found in hit.excerpt]
    told = {name: getattr(hit, name) for name in HitShape.model_fields if name != "excerpt"}
    return HitShape(**told, excerpt=pieces)
