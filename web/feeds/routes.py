"""/feeds/posts.atom and /feeds/posts.json, with the filters of the stream."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from archive.db.engine import Readers
from archive.db.models import Post
from archive.domain.outcomes import Kind
from archive.domain.pg_text import storable
from archive.repository import accounts, post_queries
from archive.repository.post_queries import PostFilter
from archive.search.engine import search
from archive.search.query import parse
from web.api.schemas import AccountName, After
from web.errors import PROBLEMS
from web.feeds import formats as formats_module
from web.feeds.formats import Feed, entry_of, printable
from web.http_cache import unchanged

ENTRIES = 50  # of a page: readers ask every hour, an account publishes some posts a day

_EPOCH = datetime(2012, 8, 23, tzinfo=UTC)  # of a feed without entries: no official account is older

_Words = Annotated[str | None, Query(max_length=2000, description="A search")]


def feeds_router(readers: Readers) -> APIRouter:
    """Both formats."""
    router = APIRouter(tags=["feeds"])
    formats: tuple[tuple[str, str, Callable[[Feed], bytes]], ...] = (
        ("atom", formats_module.ATOM_MEDIA_TYPE, lambda feed: formats_module.write_atom(feed, _EPOCH)),
        ("json", formats_module.JSON_FEED_MEDIA_TYPE, formats_module.write_json_feed),
    )
    for ending, media_type, write in formats:
        _add(router, readers, ending, media_type, write)
    return router


def _add(
    router: APIRouter, readers: Readers, ending: str, media_type: str, write: Callable[[Feed], bytes]
) -> None:
    def feed(
        request: Request,
        account: AccountName = None,
        kind: Kind | None = None,
        q: _Words = None,
        after: After = None,
    ) -> Response:
        with readers.session() as session:
            page = _page(session, PostFilter(account, kind), q, after)
            found = _feed(session, request, page, _title(session, account, kind, q))
        return _answer(request, write(found), found.updated(_EPOCH), media_type)

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


def _page(session: Session, chosen: PostFilter, words: str | None, after: str | None) -> post_queries.Page:
    if words is None:
        return post_queries.page(session, chosen, after, ENTRIES, [Post.text])
    query = parse(words)
    find = partial(search, session, query, account=chosen.account, kind=chosen.kind, after=after)
    found = find(limit=ENTRIES)
    if (fitting := _fitting(session, [hit.post_id for hit in found.hits])) < len(found.hits):
        found = find(limit=fitting)
    posts = post_queries.posts_by_id(session, [hit.post_id for hit in found.hits])
    return post_queries.Page([(posts[hit.post_id], hit.biz) for hit in found.hits], found.next)


def _fitting(session: Session, ids: list[int]) -> int:
    """How many of these posts fit into a feed with their texts."""
    rows = select(Post.id, func.octet_length(Post.text)).where(Post.id.in_(ids))
    sizes = {number: size for number, size in session.execute(rows)}
    return post_queries.fitting([sizes[number] for number in ids])


def _feed(session: Session, request: Request, page: post_queries.Page, title: str) -> Feed:
    changed = post_queries.last_changes(session, [post.id for post, _ in page.posts])
    origin = str(request.base_url).rstrip("/")
    following = page.next and str(request.url.include_query_params(after=page.next))
    return Feed(
        title=title,
        address=str(request.url),
        home=f"{origin}/",
        next=following or None,
        entries=[entry_of(post, biz, changed.get(post.id), origin) for post, biz in page.posts],
    )


def _title(session: Session, account: str | None, kind: str | None, words: str | None) -> str:
    name = account and (accounts.account_name(session, storable(account)) or account)
    parts = ["mparchive", *(printable(part) for part in (name, kind, words) if part)]
    return " · ".join(parts)


def _answer(request: Request, content: bytes, changed: datetime, media_type: str) -> Response:
    """The document, or that nothing changed since the reader asked before."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "ETag": tag,
        "Last-Modified": format_datetime(changed.astimezone(UTC).replace(microsecond=0), usegmt=True),
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    return unchanged(request, headers) or Response(content, headers=headers, media_type=media_type)
