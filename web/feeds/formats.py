"""What a feed says of each post. Pure."""

import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from archive.db.models import Post
from archive.domain import entities
from archive.domain.records import SHANGHAI
from web.http_cache import is_visible

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One post. Instants are aware; `paragraphs` are plain text."""

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
class Feed:
    """A feed: what it is of, where it stands, and its newest posts."""

    title: str
    address: str
    home: str
    next: str | None
    entries: Sequence[Entry]

    def updated(self, empty: datetime) -> datetime:
        """When anything in it changed last; `empty` for one without entries."""
        return max((entry.updated for entry in self.entries), default=empty)


def entry_of(post: Post, biz: str, changed: datetime | None, origin: str) -> Entry:
    """A post as an entry; `changed` is when its newest version was recorded."""
    published = post.published_at or datetime.combine(post.published_on, time(), SHANGHAI)
    return Entry(
        id=f"https://mp.weixin.qq.com/s?__biz={biz}&mid={post.mid}&idx={post.idx}",
        title=printable(post.title).strip() if is_visible(post.title) else post.aid,
        author=printable(post.account_name) or biz,
        page=f"{origin}/posts/{quote(biz, safe='=')}/{post.aid}",
        source=printable(post.url),
        published=published,
        updated=max(published, changed or published),
        kind=post.kind,
        paragraphs=[printable(one) for one in _paragraphs(post.text)],
    )


def _paragraphs(text: str) -> list[str]:
    """The text as people read it: entities decoded, blank lines left out."""
    return [line for part in text.split("\r") if (line := entities.unescape(part).strip())]


def printable(text: str) -> str:
    """The text without what XML cannot hold."""
    return _NOT_XML.sub("", text)


def as_html(paragraphs: Sequence[str]) -> str:
    """Paragraphs as HTML that holds nothing but them."""
    return "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs)


ATOM_MEDIA_TYPE = "application/atom+xml"

_LANGUAGE = {"xmlns": "http://www.w3.org/2005/Atom", "xml:lang": "zh-CN"}


def write_atom(feed: Feed, empty: datetime) -> bytes:
    """The feed's document; `empty` is its date while it has no entries."""
    root = Element("feed", _LANGUAGE)
    _put(root, "id", feed.address)
    _put(root, "title", feed.title)
    _put(root, "updated", _instant(feed.updated(empty)))
    _put(root, "generator", "mparchive")
    _link(root, "self", feed.address, ATOM_MEDIA_TYPE)
    _link(root, "alternate", feed.home, "text/html")
    if feed.next:
        _link(root, "next", feed.next, ATOM_MEDIA_TYPE)
    for entry in feed.entries:
        _entry(root, entry)
    if not feed.entries:
        _put(SubElement(root, "author"), "name", "mparchive")
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _entry(root: Element, entry: Entry) -> None:
    element = SubElement(root, "entry")
    _put(element, "id", entry.id)
    _put(element, "title", entry.title)
    _put(SubElement(element, "author"), "name", entry.author)
    _put(element, "published", _instant(entry.published))
    _put(element, "updated", _instant(entry.updated))
    _link(element, "alternate", entry.page, "text/html")
    _link(element, "via", entry.source, "text/html")
    if entry.kind:
        SubElement(element, "category", term=entry.kind)
    _put(element, "content", as_html(entry.paragraphs), type="html")


def _put(parent: Element, name: str, words: str, **attributes: str) -> None:
    SubElement(parent, name, attributes).text = words


def _link(parent: Element, rel: str, address: str, media_type: str) -> None:
    SubElement(parent, "link", rel=rel, href=address, type=media_type)


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


JSON_FEED_MEDIA_TYPE = "application/feed+json"


def write_json_feed(feed: Feed) -> bytes:
    """The feed's document."""
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


def _item(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "url": entry.page,
        "external_url": entry.source,
        "title": entry.title,
        "content_html": as_html(entry.paragraphs),
        "date_published": entry.published.isoformat(timespec="seconds"),
        "date_modified": entry.updated.isoformat(timespec="seconds"),
        "authors": [{"name": entry.author}],
        "tags": [entry.kind] if entry.kind else [],
        "language": "zh-CN",
    }
