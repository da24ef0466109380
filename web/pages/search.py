"""The search page with the counts that narrow it, and posts by their address."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BeforeValidator
from sqlalchemy.orm import Session

from archive.db.engine import Readers
from archive.domain.addresses import HOST
from archive.domain.day_ranges import DayRange
from archive.domain.errors import ArchiveError, NotArchived
from archive.domain.text import storable
from archive.reports.statistics import by_month, period_format
from archive.repository import accounts as accounts_repository
from archive.repository.derived import counts as counts_of
from archive.repository.post_queries import PostFilter
from archive.search.engine import Order
from archive.search.facets import FEW_HITS, MAX_COUNTED_HITS, Facets
from archive.search.lookup import (
    MAX_POST_NAME,
    NamedPosts,
    NameForm,
    facets_of_hits,
    find_hits,
    missing_message,
    posts_with_identifier,
    split_notes,
)
from web.pages.lists import ShownCard, shown_cards
from web.pages.render import (
    OptionalCursor,
    OptionalKind,
    OptionalMark,
    OptionalName,
    OptionalSince,
    OptionalUntil,
    PageContext,
    add_page,
    download_links,
    kind_options,
    mark_options,
    render_page,
)

HITS_PER_PAGE = 20


def _order_or_default(value: Any) -> Any:
    """Return the order by date for an unknown one: a reader may have edited the address."""
    return value if value in get_args(Order) else "date"


SearchOrder = Annotated[Order, BeforeValidator(_order_or_default), Query()]


class _ArchiveSize:
    """How many posts there are, read once an hour: for each search it would be a twentieth of its cost."""

    def __init__(self) -> None:
        self._hour, self._posts = -1, 0

    def is_small(self, session: Session) -> bool:
        """Tell whether counting all hits of any search takes less than the rest of its page."""
        hour = int(time.monotonic() // 3600)
        if hour != self._hour:
            self._posts = counts_of(session, ["posts"])["posts"].total()
            self._hour = hour
        return self._posts <= SMALL_ARCHIVE


def search_page_router(readers: Readers) -> APIRouter:
    """Return /search."""
    router = APIRouter()
    size = _ArchiveSize()

    def find(  # noqa: PLR0913, PLR0917 - a filter is an argument
        request: Request,
        q: str = "",
        account: OptionalName = None,
        kind: OptionalKind = None,
        since: OptionalSince = None,
        until: OptionalUntil = None,
        mark: OptionalMark = None,
        order: SearchOrder = "date",
        counts: str = "",
        after: OptionalCursor = None,
    ) -> Response:
        chosen = PostFilter(account, kind, since, until, mark)
        words, found, problem, missing = storable(q.strip()), None, None, None
        cards: dict[int, ShownCard] = {}
        facets, are_many = None, False
        context = PageContext.of(request)
        with readers.session() as session:
            named = posts_with_identifier(session, split_notes(words, chosen)[0], account)
            if len(named.posts) == 1 and not after:
                return _redirect_to_post(context, named)
            accounts = accounts_repository.account_names(session)
            try:
                if words or not chosen.is_empty:
                    found = find_hits(session, words, chosen, order=order, limit=HITS_PER_PAGE, after=after)
                    cards = shown_cards(session, context, [hit.post_id for hit in found.hits])
                    are_many = bool(found.next) and not (counts or after or size.is_small(session))
                    if found.hits and not after and not are_many:
                        most = MAX_COUNTED_HITS if counts else FEW_HITS
                        facets = facets_of_hits(session, words, chosen, most)
            except ArchiveError as error:
                problem = error.message
            if found and not found.hits and named.form is not NameForm.TITLE:
                missing = missing_message(session, named, words)
        filters = {"account": account, "kind": kind, "since": since, "until": until, "mark": mark}
        values: dict[str, Any] = {
            **filters,
            "words": words,
            "found": found,
            "problem": problem,
            "missing": missing,
        }
        values |= {"max_length": MAX_POST_NAME, "mark_names": mark_options(context)}
        if facets and not (facets.is_complete or counts):
            facets, are_many = None, True
        values["counting"] = context.here(counts="1") if are_many else ""
        if facets:
            values |= _facet_values(context, facets, chosen)
        values["facets"] = facets
        values["cards"] = cards
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
            **values,
        )

    add_page(router, "/search", find)
    return router


SMALL_ARCHIVE = 5000  # posts; all that match are read from the index before the first are counted


MAX_FACET_ACCOUNTS = 12  # linked beside a search, those with the most hits

FacetLinks = list[tuple[str, int, str, bool]]  # name, hits, address, and whether it is chosen already


def _facet_values(context: PageContext, facets: Facets, chosen: PostFilter) -> dict[str, Any]:
    """Return the links that narrow a search, by the code of their heading, and its hits over time."""

    def narrowed(parameter: str, values: Iterable[tuple[str, str, int]], now: object) -> FacetLinks:
        """Link each value (value, name, hits); the chosen one leads back to the search without it."""
        return [
            (name, count, context.here(after="", **{parameter: "" if value == now else value}), value == now)
            for value, name, count in values
        ]

    kinds = [(kind, context.name_of("archive.kind.", kind), count) for kind, count in facets.kinds if kind]
    marks = [(str(mark), context.name_of("archive.mark.", mark), count) for mark, count in facets.marks]
    accounts = [(biz, name or biz, count) for biz, name, count in facets.accounts[:MAX_FACET_ACCOUNTS]]
    account = chosen.account if len(facets.accounts) != 1 or not chosen.account else facets.accounts[0][0]
    years = [_period_link(context, str(year), count, chosen) for year, count in facets.years]
    lists = [
        ("web.label.account", narrowed("account", accounts, account)),
        ("web.label.year", years),
        ("web.label.kind", narrowed("kind", kinds, chosen.kind)),
        ("web.label.changed", narrowed("changed", marks, chosen.mark)),
    ]
    return {
        "facet_lists": [one for one in lists if one[1]],
        **_hits_over_time(context, facets, chosen),
    }


def _period_link(
    context: PageContext, period: str, count: int, chosen: PostFilter
) -> tuple[str, int, str, bool]:
    """Link a year or month; the chosen one leads back to the search of all days."""
    days = DayRange.read(period)
    is_chosen = (chosen.since, chosen.until) == (days.first, days.last)
    value = "" if is_chosen else period
    return period, count, context.here(after="", since=value, until=value), is_chosen


MAX_CHART_KINDS = 3  # with a colour of their own; the hits of all others are one part

PeriodParts = list[tuple[int, str]]  # hits of each kind, and the address of the search for them


def _hits_over_time(context: PageContext, facets: Facets, chosen: PostFilter) -> dict[str, Any]:
    """Return the hits of each month, or of each year where they are of many, first to last, by kind."""
    months = by_month({month: kinds.total() for month, kinds in facets.months.items()})
    form = period_format(months)
    counts = {one.month.strftime(form): Counter[str | None]() for one in months}
    for month, of_month in facets.months.items():
        counts[month.strftime(form)].update(of_month)
    shown = [kind for kind, _ in facets.kinds if kind][:MAX_CHART_KINDS]
    names = [context.name_of("archive.kind.", kind) for kind in shown]
    if has_others := len(facets.kinds) > len(shown):
        names.append(context.text("web.search.other_kinds"))
    rows = [
        (
            *_period_link(context, period, kinds.total(), chosen)[:3],
            _parts(context, period, kinds, shown)[: len(shown) + has_others],
        )
        for period, kinds in counts.items()
    ]
    return {"over_time": rows, "over_time_names": names}


def _parts(
    context: PageContext, period: str, kinds: Counter[str | None], shown: Sequence[str]
) -> PeriodParts:
    """Return the hits of the shown kinds in a period, and last those of all others."""

    def address(kind: str | None) -> str:
        return context.here(after="", since=period, until=period, **({"kind": kind} if kind else {}))

    parts = [(kinds[kind], address(kind) if kinds[kind] else "") for kind in shown]
    return [*parts, (kinds.total() - sum(count for count, _ in parts), address(None))]


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
