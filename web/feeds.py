"""Feeds of posts: /feeds/posts.atom and /feeds/posts.json, with the filters of the stream and of search."""

import html
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from archive.db.engine import Readers
from archive.db.models import Post
from archive.domain.outcomes import Kind
from archive.domain.records import SHANGHAI
from archive.domain.text import has_visible_character, storable, unescape
from archive.repository import accounts, post_queries
from archive.repository.post_queries import PostFilter
from archive.search.engine import search
from archive.search.query import parse
from web.api.schemas import AccountParam, CursorParam
from web.errors import PROBLEMS
from web.http_cache import entity_tag, http_date, not_modified

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One post in a feed. Instants are aware; `paragraphs` are plain text."""

    id: str
    title: str
    author: str
    page: str
    source: str
    published: datetime
    updated: datetime
    kind: str | None
    paragraphs: Sequence[str]


@dataclass(frozen=True, slots=True)
class FeedDocument:
    """A feed: its title, its own address, that of the web UI, and its newest posts.

    `recorded_at` is when the archive changed one of the entries last, whenever that was published.
    """

    title: str
    address: str
    home: str
    next: str | None
    entries: Sequence[FeedEntry]
    recorded_at: datetime | None = None

    def updated(self, empty: datetime) -> datetime:
        """Return when an entry changed last; `empty` for a feed without entries."""
        return max((entry.updated for entry in self.entries), default=empty)


def feed_entry(post: Post, biz: str, changed: datetime | None, origin: str) -> FeedEntry:
    """Return a post as an entry; `changed` dates its newest version by its evidence."""
    published = post.published_at or datetime.combine(post.published_on, time(), SHANGHAI)
    return FeedEntry(
        id=f"https://mp.weixin.qq.com/s?__biz={biz}&mid={post.mid}&idx={post.idx}",
        title=printable(post.title).strip() if has_visible_character(post.title) else post.aid,
        author=printable(post.account_name) or biz,
        page=f"{origin}/posts/{quote(biz, safe='=')}/{post.aid}",
        source=printable(post.url),
        published=published,
        updated=max(published, changed or published),
        kind=post.kind,
        paragraphs=[printable(one) for one in _paragraphs(post.text)],
    )


def _paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text, with entities decoded and without blank lines."""
    return [line for part in text.split("\r") if (line := unescape(part).strip())]


def printable(text: str) -> str:
    """Return the text without the characters that XML cannot hold."""
    return _NOT_XML.sub("", text)


def paragraphs_html(paragraphs: Sequence[str]) -> str:
    """Return plain paragraphs as HTML, everything in them escaped."""
    return "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs)


ATOM_MEDIA_TYPE = "application/atom+xml"

_FEED_ATTRIBUTES = {"xmlns": "http://www.w3.org/2005/Atom", "xml:lang": "zh-CN"}


def write_atom(feed: FeedDocument, empty: datetime) -> bytes:
    """Write a feed as Atom; `empty` is its date while it has no entries."""
    root = Element("feed", _FEED_ATTRIBUTES)
    _add_element(root, "id", feed.address)
    _add_element(root, "title", feed.title)
    _add_element(root, "updated", _utc_text(feed.updated(empty)))
    _add_element(root, "generator", "mparchive")
    _add_link(root, "self", feed.address, ATOM_MEDIA_TYPE)
    _add_link(root, "alternate", feed.home, "text/html")
    if feed.next:
        _add_link(root, "next", feed.next, ATOM_MEDIA_TYPE)
    for entry in feed.entries:
        _add_entry(root, entry)
    if not feed.entries:
        _add_element(SubElement(root, "author"), "name", "mparchive")
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _add_entry(root: Element, entry: FeedEntry) -> None:
    element = SubElement(root, "entry")
    _add_element(element, "id", entry.id)
    _add_element(element, "title", entry.title)
    _add_element(SubElement(element, "author"), "name", entry.author)
    _add_element(element, "published", _utc_text(entry.published))
    _add_element(element, "updated", _utc_text(entry.updated))
    _add_link(element, "alternate", entry.page, "text/html")
    _add_link(element, "via", entry.source, "text/html")
    if entry.kind:
        SubElement(element, "category", term=entry.kind)
    _add_element(element, "content", paragraphs_html(entry.paragraphs), type="html")


def _add_element(parent: Element, name: str, text: str, **attributes: str) -> None:
    SubElement(parent, name, attributes).text = text


def _add_link(parent: Element, rel: str, address: str, media_type: str) -> None:
    SubElement(parent, "link", rel=rel, href=address, type=media_type)


def _utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


JSON_FEED_MEDIA_TYPE = "application/feed+json"


def write_json_feed(feed: FeedDocument) -> bytes:
    """Write a feed as JSON Feed."""
    document: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.home,
        "feed_url": feed.address,
        "language": "zh-CN",
        "items": [_item(entry) for entry in feed.entries],
    }
    if feed.next:
        document["next_url"] = feed.next
    return json.dumps(document, ensure_ascii=False).encode()


def _item(entry: FeedEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "url": entry.page,
        "external_url": entry.source,
        "title": entry.title,
        "content_html": paragraphs_html(entry.paragraphs),
        "date_published": entry.published.isoformat(timespec="seconds"),
        "date_modified": entry.updated.isoformat(timespec="seconds"),
        "authors": [{"name": entry.author}],
        "tags": [entry.kind] if entry.kind else [],
        "language": "zh-CN",
    }


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
        return _answer(request, write(found), found.recorded_at or found.updated(_EMPTY_SINCE), media_type)

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
    ids = [post.id for post, _ in page.posts]
    changed = post_queries.last_changes(session, ids)
    origin = str(request.base_url).rstrip("/")
    following = page.next and str(request.url.include_query_params(after=page.next))
    return FeedDocument(
        title=title,
        address=str(request.url),
        home=f"{origin}/",
        next=following or None,
        entries=[feed_entry(post, biz, changed.get(post.id), origin) for post, biz in page.posts],
        recorded_at=post_queries.last_recorded(session, ids),
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
