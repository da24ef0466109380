"""Search for people: a form, and what was found with the words marked."""

from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator

from archive import queries
from archive.errors import ArchiveError
from archive.search import parse, search
from archive.search.finding import Order
from archive.search.query import MAX_LENGTH
from archive.text import storable
from archive.web.pages.asked import Cursor, Day, Name, OfKind, add_page
from archive.web.pages.render import page
from archive.web.pages.visit import Visit, kinds_of
from archive.web.readers import Readers

HITS = 20  # a page


def _known(value: Any) -> Any:
    """Any other order is the usual one: a reader who edits the address is not turned away."""
    return value if value in get_args(Order) else "date"


InOrder = Annotated[Order, BeforeValidator(_known), Query()]


def search_router(readers: Readers) -> APIRouter:
    """/search."""
    router = APIRouter()

    def find(  # noqa: PLR0913, PLR0917 - a filter is an argument
        request: Request,
        q: str = "",
        account: Name = None,
        kind: OfKind = None,
        since: Day = None,
        until: Day = None,
        order: InOrder = "date",
        after: Cursor = None,
    ) -> Response:
        filters: dict[str, Any] = {"account": account, "kind": kind, "since": since, "until": until}
        filters["order"] = order
        words, found, problem = storable(q.strip()), None, ""
        with readers.session() as session:
            accounts = queries.account_names(session)
            try:
                if words:
                    found = search(session, parse(words), after=after, limit=HITS, **filters)
            except ArchiveError as error:
                problem = str(error)
        visit = Visit.of(request)
        told = {"words": words, "found": found, "problem": problem, "max_length": MAX_LENGTH}
        told["feed"] = visit.link("feeds", "posts.atom", lang=None, q=words, account=account, kind=kind)
        status = 400 if problem else 200
        return page(
            request, "search.html", status, accounts=accounts, kinds=kinds_of(visit), **filters, **told
        )

    add_page(router, "/search", find)
    return router
