"""What the reader notes: forms that store stars, tags, notes and searches, and the page that lists them."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from sqlalchemy import Engine

from archive.db.engine import Readers, transaction
from archive.db.models import SavedSearch
from archive.domain.errors import ArchiveError
from archive.repository import notes
from archive.repository.notes import Note
from web.api.routes import get_post
from web.api.schemas import AidParam, BizParam
from web.auth import is_own_form
from web.errors import ForeignForm
from web.inbox.routes import read_body
from web.inbox.submission import FORM, InboxError, media_type_of
from web.pages.render import MAX_NAME, PageContext, add_page, render_page

MAX_FIELDS = 20  # of a form; ours have nine

SHOWN_NOTES = 500  # on the page; `mparchive notes` has all

SEARCH_FIELDS = ("q", "account", "kind", "changed", "since", "until", "order")  # that a saved search has

FEED_FIELDS = ("q", "account", "kind", "changed")  # of these a feed has

_Number = Annotated[int, Path(ge=1, lt=2**63)]


class FormError(ArchiveError):
    """A form that cannot be read."""


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form of ours, which another site may not send. Raises ForeignForm, FormError."""
    if not is_own_form(request.headers):
        raise ForeignForm("web.form.foreign")
    if media_type_of(request.headers.get("content-type", "")) != FORM:
        raise FormError("web.form.unreadable")
    try:
        body = await read_body(request)
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except InboxError as error:
        raise FormError(error.message.code, **error.message.params) from None
    except ValueError:
        raise FormError("web.form.unreadable") from None


def notes_router(readers: Readers, writing: Engine, now: Callable[[], datetime]) -> APIRouter:
    """Return /notes, and what its forms and those of posts and searches are sent to.

    `writing` is an engine with the rights of the web; `now` gives an aware UTC instant.
    """
    router = APIRouter(include_in_schema=False)

    async def put_note(request: Request, biz: BizParam, aid: AidParam) -> Response:
        form = await read_form(request)

        def store() -> None:
            note = Note("starred" in form, notes.read_tags(form.get("tags", "")), form.get("note", ""))
            with transaction(writing) as session:
                notes.put_note(session, get_post(session, biz, aid).id, note, now())

        await run_in_threadpool(store)
        return _back(request, form, "posts", biz, aid)

    async def save_search(request: Request) -> Response:
        form = await read_form(request)
        query = {name: form[name][:MAX_NAME] for name in SEARCH_FIELDS if form.get(name)}

        def store() -> None:
            with transaction(writing) as session:
                notes.save_search(session, form.get("name", ""), query, now())

        await run_in_threadpool(store)
        return _back(request, form, "notes")

    async def remove_search(request: Request, number: _Number) -> Response:
        form = await read_form(request)

        def store() -> None:
            with transaction(writing) as session:
                notes.remove_search(session, number)

        await run_in_threadpool(store)
        return _back(request, form, "notes")

    def listed(request: Request) -> Response:
        with readers.session() as session:
            return render_page(
                request,
                "notes.html",
                noted=notes.noted_posts(session, SHOWN_NOTES),
                starred=notes.count_starred(session),
                tag_counts=notes.tag_counts(session),
                searches=[
                    (one.id, one.name, *search_addresses(one, PageContext.of(request)))
                    for one in notes.saved_searches(session)
                ],
            )

    add_page(router, "/notes", listed)
    for path, endpoint in (
        ("/posts/{biz}/{aid}/note", put_note),
        ("/searches", save_search),
        ("/searches/{number}/remove", remove_search),
    ):
        router.add_api_route(path, endpoint, methods=["POST"], response_class=Response)
    return router


def _back(request: Request, form: dict[str, str], *path: str) -> Response:
    """Lead from a form to the page that shows what it changed, in the language of the form."""
    context = PageContext.of(request)
    return RedirectResponse(context.link(*path, lang=form.get("lang", "")), 303)


def search_addresses(search: SavedSearch, context: PageContext) -> tuple[str, str]:
    """Return the address of a saved search, and that of its feed."""
    query = {name: value for name, value in search.query.items() if name in SEARCH_FIELDS}
    feed = {name: value for name, value in query.items() if name in FEED_FIELDS}
    return context.link("search", **query), context.link("feeds", "posts.atom", **{"lang": None, **feed})
