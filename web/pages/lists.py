"""Pages that list posts: the stream, the accounts, and what changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from archive.db.engine import Readers
from archive.domain.outcomes import PostMark
from archive.reports.changes import COUNTED_KINDS, ChangeFilter, MonthlyChanges, change_page, changes_by_month
from archive.reports.post_list import Card, cards_of
from archive.repository import accounts as accounts_repository
from archive.repository import post_queries
from archive.repository.notes import Note
from archive.repository.post_queries import Page, PostFilter, PostWithoutText, position_at
from web.api.schemas import BizParam
from web.pages.files import cover_address
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
    posts: Sequence[PostWithoutText]


@dataclass(frozen=True, slots=True)
class ShownCard:
    """What the card of a post shows beside its title; `marks` are with their names, `cover` is an address."""

    digest: str
    extent: str
    cover: str
    marks: Sequence[tuple[PostMark, str]]
    note: Note | None


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
    context = PageContext.of(request)
    found = whole_pushes(post_queries.listed_page(session, chosen, after, POSTS_PER_PAGE))
    feed = context.link(
        "feeds", "posts.atom", lang=None, account=chosen.account, kind=chosen.kind, changed=chosen.mark
    )
    return render_page(
        request,
        "stream.html",
        days=list(group_by_day(found.posts)),
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
        cards=shown_cards(session, context, [post.id for post, _ in found.posts]),
    )


def shown_cards(session: Session, context: PageContext, post_ids: Sequence[int]) -> dict[int, ShownCard]:
    """Return what the cards of posts show, by the ids of the posts."""
    return {post_id: _shown_card(context, card) for post_id, card in cards_of(session, post_ids).items()}


def _shown_card(context: PageContext, card: Card) -> ShownCard:
    marks = [(mark, context.name_of("archive.mark.", mark)) for mark in card.marks]
    cover = cover_address(card.cover) if card.cover else ""
    return ShownCard(card.digest, _extent(context, card), cover, marks, card.note)


def _extent(context: PageContext, card: Card) -> str:
    """Return the number of characters and images of a post in words."""
    parts = []
    if card.characters:
        words = context.words("web.card.characters", card.characters)
        parts.append(words.format(count=f"{card.characters:,}"))
    if card.images:
        parts.append(context.words("web.card.images", card.images).format(n=card.images))
    return " · ".join(parts)


def whole_pushes(found: Page[PostWithoutText]) -> Page[PostWithoutText]:
    """Drop the last push of a page if it may go on after the page's end, unless it is the only one."""
    last = _push_of(found.posts[-1]) if found.next else None
    whole = [one for one in found.posts if _push_of(one) != last]
    if last is None or not whole:
        return found
    return Page(whole, position_at(*whole[-1]).cursor())


def group_by_day(posts: Sequence[tuple[PostWithoutText, str]]) -> Iterable[tuple[date, Sequence[Push]]]:
    """Group posts by day and push, keeping their order.

    A push is where the first of its posts is: of some only the day may be known.
    """
    for day, of_day in groupby(posts, lambda one: one[0].published_on):
        pushes: dict[tuple[date, int, str], list[tuple[PostWithoutText, str]]] = {}
        for one in of_day:
            pushes.setdefault(_push_of(one), []).append(one)
        yield day, [_push(one) for one in pushes.values()]


def _push_of(one: tuple[PostWithoutText, str]) -> tuple[date, int, str]:
    post, biz = one
    return post.published_on, post.mid, biz


def _push(of_push: Sequence[tuple[PostWithoutText, str]]) -> Push:
    posts = sorted((post for post, _ in of_push), key=lambda post: post.idx)
    at = next((post.published_at for post in posts if post.published_at), None)
    return Push(of_push[0][1], posts[0].account_name, at, posts)


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
