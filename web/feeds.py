"""Feeds: /feeds/posts.* with the filters of the stream and of search, /feeds/changes.* with those of changes.

Each as Atom (.atom) and as JSON Feed (.json).
"""

import html
import json
import re
from collections.abc import Callable, Iterator, Sequence
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
from archive.domain.messages import Message
from archive.domain.outcomes import ChangeKind, Kind, PostMark
from archive.domain.parsed_page import is_preview
from archive.domain.records import SHANGHAI
from archive.domain.text import has_visible_character, storable, unescape
from archive.rendering.page import PREVIEW_NOTE
from archive.reports.changes import ChangeFilter, PostChange, change_page
from archive.repository import accounts, post_queries
from archive.repository.post_queries import PostFilter
from archive.search.engine import search
from archive.search.query import parse
from archive.system.catalogues import Language
from web.api.schemas import AccountParam, ChangeKindsParam, CursorParam
from web.errors import PROBLEMS
from web.http_cache import entity_tag, http_date, not_modified

PREVIEW_TERM = "paid-preview"  # category of paid posts of which only the free preview is archived

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
    is_preview: bool = False


@dataclass(frozen=True, slots=True)
class FeedDocument:
    """A feed: its title, its own address, that of the web UI, and its newest posts."""

    title: str
    address: str
    home: str
    next: str | None
    entries: Sequence[FeedEntry]

    def updated(self, empty: datetime) -> datetime:
        """Return when an entry changed last; `empty` for a feed without entries."""
        return max((entry.updated for entry in self.entries), default=empty)


def feed_entry(post: Post, biz: str, changed: datetime | None, origin: str) -> FeedEntry:
    """Return a post as an entry; `changed` is when its newest version was recorded."""
    published = post.published_at or datetime.combine(post.published_on, time(), SHANGHAI)
    is_part = is_preview(post.facts or {})
    return FeedEntry(
        id=_entry_id(biz, post.aid),
        title=printable(post.title).strip() if has_visible_character(post.title) else post.aid,
        author=printable(post.account_name) or biz,
        page=f"{origin}/posts/{quote(biz, safe='=')}/{post.aid}",
        source=printable(post.url),
        published=published,
        updated=max(published, changed or published),
        kind=post.kind,
        paragraphs=[*map(printable, _paragraphs(post.text)), *([PREVIEW_NOTE] if is_part else [])],
        is_preview=is_part,
    )


def _entry_id(biz: str, aid: str) -> str:
    mid, _, idx = aid.partition("_")
    return f"https://mp.weixin.qq.com/s?__biz={biz}&mid={mid}&idx={idx}"


def change_entry(change: PostChange, origin: str, language: Language) -> FeedEntry:
    """Return a change as an entry, described in a language; its page is the history of the post."""
    kind = Message(f"archive.change_kind.{change.kind}").text(language)
    title = printable(change.title).strip() if has_visible_character(change.title) else change.aid
    return FeedEntry(
        id=f"{_entry_id(change.biz, change.aid)}#{change.kind}-{change.version or change.at.isoformat()}",
        title=f"[{kind}] {title}",
        author=printable(change.account) or change.biz,
        page=f"{origin}{_change_path(change)}",
        source=printable(change.url),
        published=change.at,
        updated=change.at,
        kind=change.kind,
        paragraphs=list(_change_paragraphs(change, language)),
    )


def _change_path(change: PostChange) -> str:
    """Return the path and query of the page that shows a change: the post, or its history."""
    path = f"/posts/{quote(change.biz, safe='=')}/{change.aid}"
    if change.kind is ChangeKind.NEW:
        return path
    if change.kind is ChangeKind.EDITED:
        return f"{path}/history?before={change.previous_version}&after={change.version}"
    return f"{path}/history"


def _change_paragraphs(change: PostChange, language: Language) -> Iterator[str]:
    yield printable(change.description().text(language))
    if change.reason:
        yield printable(Message.load(change.reason).text(language))


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
    if entry.is_preview:
        SubElement(element, "category", term=PREVIEW_TERM)
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
        "tags": [*filter(None, [entry.kind]), *([PREVIEW_TERM] if entry.is_preview else [])],
        "language": "zh-CN",
    }


FEED_ENTRIES = 50  # of a page: feed readers ask every hour, an account publishes some posts a day

_EMPTY_SINCE = datetime(2012, 8, 23, tzinfo=UTC)  # date of a feed without entries: no account is older

_Search = Annotated[str | None, Query(max_length=2000, description="A search")]


_WriteFeed = Callable[[FeedDocument], bytes]


def feeds_router(readers: Readers) -> APIRouter:
    """Return the feeds in both formats."""
    router = APIRouter(tags=["feeds"])
    formats: tuple[tuple[str, str, _WriteFeed], ...] = (
        ("atom", ATOM_MEDIA_TYPE, lambda feed: write_atom(feed, _EMPTY_SINCE)),
        ("json", JSON_FEED_MEDIA_TYPE, write_json_feed),
    )
    for ending, media_type, write in formats:
        posts, changes = _post_feed(readers, media_type, write), _change_feed(readers, media_type, write)
        _add_feed(router, ("posts", ending, media_type), posts, "The newest posts with their texts")
        _add_feed(router, ("changes", ending, media_type), changes, "What changed last")
    return router


def _post_feed(readers: Readers, media_type: str, write: _WriteFeed) -> Callable[..., Response]:
    def feed(  # noqa: PLR0913, PLR0917 - a filter is an argument
        request: Request,
        account: AccountParam = None,
        kind: Kind | None = None,
        changed: PostMark | None = None,
        q: _Search = None,
        after: CursorParam = None,
    ) -> Response:
        with readers.session() as session:
            page = _find_posts(session, PostFilter(account, kind, mark=changed), q, after)
            found = _feed_document(session, request, page, _title(session, account, kind, changed, q))
        return _answer(request, write(found), found.updated(_EMPTY_SINCE), media_type)

    return feed


def _change_feed(readers: Readers, media_type: str, write: _WriteFeed) -> Callable[..., Response]:
    def feed(
        request: Request,
        account: AccountParam = None,
        kind: ChangeKindsParam = frozenset(),
        after: CursorParam = None,
        lang: Annotated[Language, Query(description="Language of the descriptions")] = "zh",
    ) -> Response:
        with readers.session() as session:
            page = change_page(session, ChangeFilter(account, kind), after, FEED_ENTRIES)
            title = _title(session, account, *sorted(kind))
        origin = str(request.base_url).rstrip("/")
        found = FeedDocument(
            title=f"{title} · {Message('web.changes.title').text(lang)}",
            address=str(request.url),
            home=f"{origin}/changes",
            next=str(request.url.include_query_params(after=page.next)) if page.next else None,
            entries=[change_entry(change, origin, lang) for change in page.changes],
        )
        return _answer(request, write(found), found.updated(_EMPTY_SINCE), media_type)

    return feed


def _add_feed(
    router: APIRouter, names: tuple[str, str, str], feed: Callable[..., Response], summary: str
) -> None:
    subject, ending, media_type = names
    name = f"feed_{ending}" if subject == "posts" else f"feed_{subject}_{ending}"
    router.add_api_route(
        f"/feeds/{subject}.{ending}",
        feed,
        methods=["GET"],
        name=name,
        operation_id=name,
        summary=f"{summary} ({media_type})",
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
        return post_queries.page(session, chosen, after, FEED_ENTRIES, [Post.text, Post.facts])
    query = parse(words)
    filtered = partial(search, account=chosen.account, kind=chosen.kind, mark=chosen.mark)
    find = partial(filtered, session, query, after=after)
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


def _title(session: Session, account: str | None, *filters: str | None) -> str:
    name = account and (accounts.account_name(session, storable(account)) or account)
    parts = ["mparchive", *(printable(part) for part in (name, *filters) if part)]
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
