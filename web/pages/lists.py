"""The posts by day and push, as the accounts published them; all, or of one account."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator
from sqlalchemy.orm import Session

from archive.db.engine import Readers
from archive.db.models import Post
from archive.domain.errors import ArchiveError
from archive.domain.pg_text import storable
from archive.repository import accounts as accounts_repository
from archive.repository import post_queries
from archive.repository.media import covers
from archive.repository.post_queries import Page, PostFilter, position_at
from archive.search.engine import Order, search
from archive.search.query import MAX_LENGTH, parse
from web.api.schemas import Biz
from web.pages.files import shown_at
from web.pages.render import Cursor, Day, Name, OfKind, Visit, add_page, kinds_of, page

POSTS = 60  # a page: some days of an account that publishes daily, drawn in a tenth of a second


@dataclass(frozen=True, slots=True)
class Push:
    """What an account published at once. `at` is UTC, None where only the day is known."""

    biz: str
    name: str
    at: datetime | None
    posts: Sequence[Post]
    cover: str


def stream_router(readers: Readers) -> APIRouter:
    """/ and /accounts."""
    router = APIRouter()

    def every_post(  # noqa: PLR0913, PLR0917 - a filter is an argument
        request: Request,
        account: Name = None,
        kind: OfKind = None,
        since: Day = None,
        until: Day = None,
        after: Cursor = None,
    ) -> Response:
        with readers.session() as session:
            return _stream(session, request, PostFilter(account, kind, since, until), after)

    def of_account(  # noqa: PLR0913, PLR0917 - as above
        request: Request,
        biz: Biz,
        kind: OfKind = None,
        since: Day = None,
        until: Day = None,
        after: Cursor = None,
    ) -> Response:
        with readers.session() as session:
            name = accounts_repository.account_of(session, biz).name
            return _stream(session, request, PostFilter(biz, kind, since, until), after, biz, name)

    def accounts(request: Request) -> Response:
        with readers.session() as session:
            return page(request, "accounts.html", accounts=accounts_repository.account_summaries(session))

    add_page(router, "/", every_post)
    add_page(router, "/accounts", accounts)
    add_page(router, "/accounts/{biz}", of_account)
    return router


def _stream(  # noqa: PLR0913, PLR0917 - what a page is made of
    session: Session, request: Request, chosen: PostFilter, after: str | None, biz: str = "", name: str = ""
) -> Response:
    visit, found = Visit.of(request), whole_pushes(post_queries.page(session, chosen, after, POSTS))
    feed = visit.link("feeds", "posts.atom", lang=None, account=chosen.account, kind=chosen.kind)
    return page(
        request,
        "stream.html",
        days=list(by_day(session, found.posts)),
        next=found.next,
        chosen=chosen,
        biz=biz,
        name=name or biz,
        feed=feed,
        is_filtered=chosen != PostFilter(biz or None),
        accounts=accounts_repository.account_names(session),
        kinds=kinds_of(visit),
    )


def whole_pushes(found: Page) -> Page:
    """Without the last push where it may go on behind the page's end, unless there is no other. Pure."""
    last = _push_of(found.posts[-1]) if found.next else None
    kept = [one for one in found.posts if _push_of(one) != last]
    if last is None or not kept:
        return found
    return Page(kept, position_at(*kept[-1]).cursor())


def by_day(session: Session, posts: Sequence[tuple[Post, str]]) -> Iterable[tuple[date, Sequence[Push]]]:
    """The posts' days with their pushes, in the order they came in."""
    files = covers(session, [post.id for post, _ in posts])
    addresses = {post_id: shown_at(file) for post_id, file in files.items()}
    for day, of_day in groupby(posts, lambda one: one[0].published_on):
        yield day, [_push(list(one), addresses) for _, one in groupby(of_day, _push_of)]


def _push_of(one: tuple[Post, str]) -> tuple[date, int, str]:
    post, biz = one
    return post.published_on, post.mid, biz


def _push(of_push: Sequence[tuple[Post, str]], covers: dict[int, str]) -> Push:
    posts = [post for post, _ in of_push]
    cover = next((covers[post.id] for post in posts[:1] if post.id in covers), "")
    return Push(of_push[0][1], posts[0].account_name, posts[0].published_at, posts, cover)


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
            accounts = accounts_repository.account_names(session)
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
