"""Pages that list posts: the stream, the accounts, what changed, the search, and posts by their address."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BeforeValidator
from sqlalchemy.orm import Session

from archive.db.engine import Readers
from archive.db.models import Post
from archive.domain.addresses import HOST
from archive.domain.errors import ArchiveError, NotArchived
from archive.domain.outcomes import PostMark
from archive.domain.text import storable
from archive.reports.changes import COUNTED_KINDS, ChangeFilter, MonthlyChanges, change_page, changes_by_month
from archive.repository import accounts as accounts_repository
from archive.repository import post_queries
from archive.repository.media import covers
from archive.repository.post_queries import Page, PostFilter, position_at
from archive.search.engine import Order
from archive.search.lookup import (
    MAX_POST_NAME,
    NamedPosts,
    NameForm,
    find_hits,
    missing_message,
    posts_with_identifier,
)
from web.api.schemas import BizParam
from web.pages.files import file_address
from web.pages.render import (
    OptionalChange,
    OptionalCursor,
    OptionalKind,
    OptionalMark,
    OptionalName,
    OptionalSince,
    OptionalUntil,
    PageContext,
    add_page,
    change_options,
    download_links,
    kind_options,
    mark_options,
    render_page,
)

POSTS_PER_PAGE = 60  # some days of an account that publishes daily, rendered in a tenth of a second


@dataclass(frozen=True, slots=True)
class Push:
    """The posts that an account published together. `at` is UTC, None where only the day is known."""

    biz: str
    name: str
    at: datetime | None
    posts: Sequence[Post]
    cover: str


def stream_router(readers: Readers) -> APIRouter:
    """Return /, /accounts and /accounts/BIZ."""
    router = APIRouter()

    def every_post(  # noqa: PLR0913, PLR0917 - a filter is an argument
        request: Request,
        account: OptionalName = None,
        kind: OptionalKind = None,
        since: OptionalSince = None,
        until: OptionalUntil = None,
        mark: OptionalMark = None,
        after: OptionalCursor = None,
    ) -> Response:
        with readers.session() as session:
            return _stream(session, request, PostFilter(account, kind, since, until, mark), after)

    def of_account(  # noqa: PLR0913, PLR0917 - as above
        request: Request,
        biz: BizParam,
        kind: OptionalKind = None,
        since: OptionalSince = None,
        until: OptionalUntil = None,
        mark: OptionalMark = None,
        after: OptionalCursor = None,
    ) -> Response:
        with readers.session() as session:
            name = accounts_repository.account_of(session, biz).name
            return _stream(session, request, PostFilter(biz, kind, since, until, mark), after, biz, name)

    def accounts(request: Request) -> Response:
        with readers.session() as session:
            return render_page(
                request, "accounts.html", accounts=accounts_repository.account_summaries(session)
            )

    add_page(router, "/", every_post)
    add_page(router, "/accounts", accounts)
    add_page(router, "/accounts/{biz}", of_account)
    return router


def _stream(  # noqa: PLR0913, PLR0917 - each argument is a part of the page
    session: Session, request: Request, chosen: PostFilter, after: str | None, biz: str = "", name: str = ""
) -> Response:
    context, found = (
        PageContext.of(request),
        whole_pushes(post_queries.page(session, chosen, after, POSTS_PER_PAGE)),
    )
    feed = context.link(
        "feeds", "posts.atom", lang=None, account=chosen.account, kind=chosen.kind, changed=chosen.mark
    )
    return render_page(
        request,
        "stream.html",
        days=list(group_by_day(session, found.posts)),
        next=found.next,
        chosen=chosen,
        biz=biz,
        name=name or biz,
        feed=feed,
        downloads=download_links(context, chosen),
        is_filtered=chosen != PostFilter(biz or None),
        accounts=accounts_repository.account_names(session),
        kinds=kind_options(context),
        mark_names=mark_options(context),
        marks=post_queries.marks_of(session, [post.id for post, _ in found.posts]),
    )


def whole_pushes(found: Page) -> Page:
    """Drop the last push of a page if it may go on after the page's end, unless it is the only one."""
    last = _push_of(found.posts[-1]) if found.next else None
    whole = [one for one in found.posts if _push_of(one) != last]
    if last is None or not whole:
        return found
    return Page(whole, position_at(*whole[-1]).cursor())


def group_by_day(
    session: Session, posts: Sequence[tuple[Post, str]]
) -> Iterable[tuple[date, Sequence[Push]]]:
    """Group posts by day and push, keeping their order.

    A push is where the first of its posts is: of some only the day may be known.
    """
    files = covers(session, [post.id for post, _ in posts])
    addresses = {post_id: file_address(file) for post_id, file in files.items()}
    for day, of_day in groupby(posts, lambda one: one[0].published_on):
        pushes: dict[tuple[date, int, str], list[tuple[Post, str]]] = {}
        for one in of_day:
            pushes.setdefault(_push_of(one), []).append(one)
        yield day, [_push(one, addresses) for one in pushes.values()]


def _push_of(one: tuple[Post, str]) -> tuple[date, int, str]:
    post, biz = one
    return post.published_on, post.mid, biz


def _push(of_push: Sequence[tuple[Post, str]], covers: dict[int, str]) -> Push:
    posts = sorted((post for post, _ in of_push), key=lambda post: post.idx)
    at = next((post.published_at for post in posts if post.published_at), None)
    cover = next((covers[post.id] for post in posts[:1] if post.id in covers), "")
    return Push(of_push[0][1], posts[0].account_name, at, posts, cover)


CHANGES_PER_PAGE = 50


def changes_page_router(readers: Readers) -> APIRouter:
    """Return /changes."""
    router = APIRouter()

    def changes(  # noqa: PLR0913, PLR0917 - a filter is an argument
        request: Request,
        account: OptionalName = None,
        kind: OptionalChange = None,
        since: OptionalSince = None,
        until: OptionalUntil = None,
        after: OptionalCursor = None,
    ) -> Response:
        context = PageContext.of(request)
        chosen = ChangeFilter(account, frozenset({kind} if kind else ()), since, until)
        with readers.session() as session:
            found = change_page(session, chosen, after, CHANGES_PER_PAGE)
            months = [] if after else changes_by_month(session, chosen)
            accounts = accounts_repository.account_names(session)
        feed = context.link("feeds", "changes.atom", lang=context.language, account=account, kind=kind)
        values = {"account": account, "kind": kind, "since": since, "until": until, "feed": feed}
        return render_page(
            request,
            "changes.html",
            found=found,
            accounts=accounts,
            kinds=change_options(context),
            months=[_month_of_changes(context, one) for one in months],
            counted=[context.name_of("archive.change_kind.", counted) for counted in COUNTED_KINDS],
            **values,
        )

    add_page(router, "/changes", changes)
    return router


def _month_of_changes(context: PageContext, one: MonthlyChanges) -> tuple[str, list[tuple[int, str]]]:
    """Return a month, and for each kind of change their number and the list of them."""
    month = f"{one.month:%Y-%m}"
    lists = [context.here(kind=kind, since=month, until=month, after="") for kind in COUNTED_KINDS]
    return month, list(zip(one.counts, lists, strict=True))


HITS_PER_PAGE = 20


def _order_or_default(value: Any) -> Any:
    """Return the order by date for an unknown one: a reader may have edited the address."""
    return value if value in get_args(Order) else "date"


SearchOrder = Annotated[Order, BeforeValidator(_order_or_default), Query()]


def search_page_router(readers: Readers) -> APIRouter:
    """Return /search."""
    router = APIRouter()

    def find(  # noqa: PLR0913, PLR0917 - a filter is an argument
        request: Request,
        q: str = "",
        account: OptionalName = None,
        kind: OptionalKind = None,
        since: OptionalSince = None,
        until: OptionalUntil = None,
        mark: OptionalMark = None,
        order: SearchOrder = "date",
        after: OptionalCursor = None,
    ) -> Response:
        chosen = PostFilter(account, kind, since, until, mark)
        words, found, problem, missing = storable(q.strip()), None, None, None
        marks: dict[int, list[PostMark]] = {}
        context = PageContext.of(request)
        with readers.session() as session:
            named = posts_with_identifier(session, words, account)
            if len(named.posts) == 1 and not after:
                return _redirect_to_post(context, named)
            accounts = accounts_repository.account_names(session)
            try:
                if words or not chosen.is_empty:
                    found = find_hits(session, words, chosen, order=order, limit=HITS_PER_PAGE, after=after)
                    marks = post_queries.marks_of(session, [hit.post_id for hit in found.hits])
            except ArchiveError as error:
                problem = error.message
            if found and not found.hits and named.form is not NameForm.TITLE:
                missing = missing_message(session, named, words)
        values: dict[str, Any] = {"words": words, "found": found, "problem": problem, "missing": missing}
        values |= {"max_length": MAX_POST_NAME, "marks": marks, "mark_names": mark_options(context)}
        values["feed"] = context.link(
            "feeds", "posts.atom", lang=None, q=words, account=account, kind=kind, changed=mark
        )
        values["downloads"] = download_links(context, chosen, words)
        status = 400 if problem else 200
        return render_page(
            request,
            "search.html",
            status,
            accounts=accounts,
            kinds=kind_options(context),
            order=order,
            **asdict(chosen),
            **values,
        )

    add_page(router, "/search", find)
    return router


def _redirect_to_post(context: PageContext, named: NamedPosts) -> Response:
    ((post, biz),) = named.posts
    return RedirectResponse(context.link("posts", biz, post.aid), 303)


_ADDRESS_PATHS = ("/s", "/s/", "/s/{rest:path}", "/mp/{rest:path}")  # as on WeChat's host

_WHOLE_ADDRESS_PATHS = ("/http:{rest:path}", "/https:{rest:path}")


def address_router(readers: Readers) -> APIRouter:
    """Return WeChat's own paths of posts, and its whole addresses as paths: each leads to the post's page."""
    router = APIRouter()

    def of_path(request: Request) -> Response:
        return _post_of_address(readers, request, f"https://{HOST}{request.url.path}")

    def of_address(request: Request) -> Response:
        return _post_of_address(readers, request, request.url.path.removeprefix("/"))

    for path in _ADDRESS_PATHS:
        add_page(router, path, of_path)
    for path in _WHOLE_ADDRESS_PATHS:
        add_page(router, path, of_address)
    return router


def _post_of_address(readers: Readers, request: Request, address: str) -> Response:
    """Redirect to the page of a post, or to the search where the address fits several. Raises NotArchived."""
    context = PageContext.of(request)
    name = f"{address}?{request.url.query}" if request.url.query else address
    with readers.session() as session:
        named = posts_with_identifier(session, name)
        if len(named.posts) == 1:
            return _redirect_to_post(context, named)
        if not named.posts:
            message = missing_message(session, named, name)
            raise NotArchived(message.code, **message.params)
    return RedirectResponse(context.link("search", q=name), 303)
