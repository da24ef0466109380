"""Feed documents: Atom (RFC 4287) and JSON Feed 1.1, made from the same entries. Pure."""

import html
import json
import re
import unicodedata
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
    return [line for part in text.split("\r") if (line := entities.unescape(part).strip())]


_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and a pattern that are rendered as nothing


def has_visible_character(title: str) -> bool:
    """Tell whether a reader sees anything of a title: a link without any can be neither seen nor named."""
    return any(unicodedata.category(sign)[0] not in "CZ" and sign not in _BLANK for sign in title)


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
