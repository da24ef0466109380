"""Feeds of posts: /feeds/posts.atom and /feeds/posts.json, with the filters of the stream and of search."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from archive.db.engine import Readers
from archive.db.models import Post
from archive.domain.outcomes import Kind
from archive.domain.pg_text import storable
from archive.repository import accounts, post_queries
from archive.repository.post_queries import PostFilter
from archive.search.engine import search
from archive.search.query import parse
from web.api.schemas import AccountParam, CursorParam
from web.errors import PROBLEMS
from web.feeds.formats import (
    ATOM_MEDIA_TYPE,
    JSON_FEED_MEDIA_TYPE,
    FeedDocument,
    feed_entry,
    printable,
    write_atom,
    write_json_feed,
)
from web.http_cache import entity_tag, http_date, not_modified

FEED_ENTRIES = 50  # of a page: feed readers ask every hour, an account publishes some posts a day

_EMPTY_SINCE = datetime(2012, 8, 23, tzinfo=UTC)  # date of a feed without entries: no account is older

_Search = Annotated[str | None, Query(max_length=2000, description="A search")]


def feeds_router(readers: Readers) -> APIRouter:
    """Return the feeds in both formats."""
    router = APIRouter(tags=["feeds"])
    formats: tuple[tuple[str, str, Callable[[FeedDocument], bytes]], ...] = (
        ("atom", ATOM_MEDIA_TYPE, lambda feed: write_atom(feed, _EMPTY_SINCE)),
        ("json", JSON_FEED_MEDIA_TYPE, write_json_feed),
    )
    for ending, media_type, write in formats:
        _add_feed(router, readers, ending, media_type, write)
    return router


def _add_feed(
    router: APIRouter, readers: Readers, ending: str, media_type: str, write: Callable[[FeedDocument], bytes]
) -> None:
    def feed(
        request: Request,
        account: AccountParam = None,
        kind: Kind | None = None,
        q: _Search = None,
        after: CursorParam = None,
    ) -> Response:
        with readers.session() as session:
            page = _find_posts(session, PostFilter(account, kind), q, after)
            found = _feed_document(session, request, page, _title(session, account, kind, q))
        return _answer(request, write(found), found.updated(_EMPTY_SINCE), media_type)

    router.add_api_route(
        f"/feeds/posts.{ending}",
        feed,
        methods=["GET"],
        name=f"feed_{ending}",
        operation_id=f"feed_{ending}",
        summary=f"The newest posts with their texts ({media_type})",
        response_class=Response,
        responses={
            **PROBLEMS,
            200: {"content": {media_type: {"schema": {"type": "object" if ending == "json" else "string"}}}},
            304: {"description": "You have it"},
        },
    )


def _find_posts(
    session: Session, chosen: PostFilter, words: str | None, after: str | None
) -> post_queries.Page:
    if words is None:
        return post_queries.page(session, chosen, after, FEED_ENTRIES, [Post.text])
    query = parse(words)
    find = partial(search, session, query, account=chosen.account, kind=chosen.kind, after=after)
    found = find(limit=FEED_ENTRIES)
    if (fitting := post_queries.count_fitting(session, [hit.post_id for hit in found.hits])) < len(
        found.hits
    ):
        found = find(limit=fitting)
    posts = post_queries.posts_by_id(session, [hit.post_id for hit in found.hits])
    return post_queries.Page([(posts[hit.post_id], hit.biz) for hit in found.hits], found.next)


def _feed_document(session: Session, request: Request, page: post_queries.Page, title: str) -> FeedDocument:
    changed = post_queries.last_changes(session, [post.id for post, _ in page.posts])
    origin = str(request.base_url).rstrip("/")
    following = page.next and str(request.url.include_query_params(after=page.next))
    return FeedDocument(
        title=title,
        address=str(request.url),
        home=f"{origin}/",
        next=following or None,
        entries=[feed_entry(post, biz, changed.get(post.id), origin) for post, biz in page.posts],
    )


def _title(session: Session, account: str | None, kind: str | None, words: str | None) -> str:
    name = account and (accounts.account_name(session, storable(account)) or account)
    parts = ["mparchive", *(printable(part) for part in (name, kind, words) if part)]
    return " · ".join(parts)


def _answer(request: Request, content: bytes, changed: datetime, media_type: str) -> Response:
    """Answer with the document, or 304 if it has not changed since the client asked before."""
    headers = {
        "ETag": entity_tag(content),
        "Last-Modified": http_date(changed),
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    return not_modified(request, headers) or Response(content, headers=headers, media_type=media_type)
