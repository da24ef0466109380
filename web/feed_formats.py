"""The formats of feeds: Atom, RSS and JSON Feed, written entry by entry; and OPML, a list of feeds."""

import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement
from xml.sax.saxutils import escape

from archive.repository.heads import ArchiveHead

PREVIEW_TERM = "paid-preview"  # category of paid posts of which only the free preview is archived

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class FeedPicture:
    """The picture of an entry: the address of its file in this archive, its media type and size in bytes."""

    address: str
    media_type: str
    size: int


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
    paragraphs: Iterable[str]
    is_preview: bool = False
    picture: FeedPicture | None = None


@dataclass(frozen=True, slots=True)
class FeedDocument:
    """A feed: its title, its own address, that of the web UI, and its newest posts.

    `updated` is when an entry changed last, `recorded_at` when the archive recorded that, which may be later.
    Each of `entries` is in memory only while it is written. `head` has the chains of the entries' accounts.
    """

    title: str
    address: str
    home: str
    next: str | None
    updated: datetime
    entries: Iterable[FeedEntry]
    recorded_at: datetime | None = None
    head: ArchiveHead | None = None


def printable(text: str) -> str:
    """Return the text without the characters that XML cannot hold."""
    return _NOT_XML.sub("", text)


def _paragraph_html(paragraph: str) -> str:
    """Return a plain paragraph as HTML, everything in it escaped."""
    return f"<p>{html.escape(paragraph)}</p>"


def _content_html(entry: FeedEntry) -> Iterator[str]:
    """Yield the content of an entry as HTML: its picture, then each paragraph."""
    if entry.picture:
        yield f'<p><img src="{html.escape(entry.picture.address)}" alt=""></p>'
    yield from map(_paragraph_html, entry.paragraphs)


def _tags(entry: FeedEntry) -> list[str]:
    return [*filter(None, [entry.kind]), *([PREVIEW_TERM] if entry.is_preview else [])]


ATOM_MEDIA_TYPE = "application/atom+xml"

HEAD_NAMESPACE = "urn:mparchive:heads"

_FEED_ATTRIBUTES = {"xmlns": "http://www.w3.org/2005/Atom", "xml:lang": "zh-CN"}


def write_atom(feed: FeedDocument) -> Iterator[bytes]:
    """Write a feed as Atom, piece by piece."""
    root = Element("feed", _FEED_ATTRIBUTES)
    _add_element(root, "id", feed.address)
    _add_element(root, "title", feed.title)
    _add_element(root, "updated", _utc_text(feed.updated))
    _add_element(root, "generator", "mparchive")
    _add_link(root, "self", feed.address, ATOM_MEDIA_TYPE)
    _add_link(root, "alternate", feed.home, "text/html")
    if feed.next:
        _add_link(root, "next", feed.next, ATOM_MEDIA_TYPE)
    if feed.head:
        _add_head(root, feed.head)
    head = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True).removesuffix(b"</feed>")
    yield head
    is_empty = True
    for entry in feed.entries:
        is_empty = False
        yield from _atom_entry(entry)
    if is_empty:
        yield b"<author><name>mparchive</name></author>"
    yield b"</feed>"


def _add_head(root: Element, head: ArchiveHead) -> None:
    """Add the head of the archive as an extension element, which docs/reference/integrity.md describes."""
    names = {"xmlns:mparchive": HEAD_NAMESPACE, "taken": _utc_text(head.taken_at), "digest": head.digest}
    element = SubElement(root, "mparchive:head", names)
    for chain in head.chains:
        values = {"biz": chain.biz, "length": str(chain.length), "digest": chain.digest}
        SubElement(element, "mparchive:chain", values)


def _atom_entry(entry: FeedEntry) -> Iterator[bytes]:
    element = Element("entry")
    _add_element(element, "id", entry.id)
    _add_element(element, "title", entry.title)
    _add_element(SubElement(element, "author"), "name", entry.author)
    _add_element(element, "published", _utc_text(entry.published))
    _add_element(element, "updated", _utc_text(entry.updated))
    _add_link(element, "alternate", entry.page, "text/html")
    _add_link(element, "via", entry.source, "text/html")
    if entry.picture:
        _add_link(element, "enclosure", entry.picture.address, entry.picture.media_type).set(
            "length", str(entry.picture.size)
        )
    for tag in _tags(entry):
        SubElement(element, "category", term=tag)
    head = ElementTree.tostring(element, encoding="unicode").removesuffix("</entry>").encode()
    yield head + b'<content type="html"'
    is_empty = True
    for piece in _content_html(entry):
        yield (b">" if is_empty else b"") + escape(piece).encode()
        is_empty = False
    yield b" /></entry>" if is_empty else b"</content></entry>"


def _add_element(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = text


def _add_link(parent: Element, rel: str, address: str, media_type: str, name: str = "link") -> Element:
    return SubElement(parent, name, rel=rel, href=address, type=media_type)


def _utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


RSS_MEDIA_TYPE = "application/rss+xml"

_RSS_ATTRIBUTES = {
    "version": "2.0",
    "xmlns:atom": "http://www.w3.org/2005/Atom",
    "xmlns:content": "http://purl.org/rss/1.0/modules/content/",
    "xmlns:dc": "http://purl.org/dc/elements/1.1/",
}


def write_rss(feed: FeedDocument) -> Iterator[bytes]:
    """Write a feed as RSS 2.0, piece by piece."""
    root = Element("rss", _RSS_ATTRIBUTES)
    channel = SubElement(root, "channel")
    _add_element(channel, "title", feed.title)
    _add_element(channel, "link", feed.home)
    _add_element(channel, "description", feed.title)
    _add_element(channel, "language", "zh-cn")
    _add_element(channel, "lastBuildDate", format_datetime(feed.updated.astimezone(UTC), usegmt=True))
    _add_element(channel, "generator", "mparchive")
    _add_link(channel, "self", feed.address, RSS_MEDIA_TYPE, "atom:link")
    if feed.next:
        _add_link(channel, "next", feed.next, RSS_MEDIA_TYPE, "atom:link")
    if feed.head:
        _add_head(channel, feed.head)
    end = b"</channel></rss>"
    yield ElementTree.tostring(root, encoding="utf-8", xml_declaration=True).removesuffix(end)
    for entry in feed.entries:
        yield from _rss_item(entry)
    yield end


def _rss_item(entry: FeedEntry) -> Iterator[bytes]:
    element = Element("item")
    _add_element(element, "title", entry.title)
    _add_element(element, "link", entry.page)
    SubElement(element, "guid", isPermaLink="false").text = entry.id
    _add_element(element, "pubDate", format_datetime(entry.published.astimezone(UTC), usegmt=True))
    _add_element(element, "atom:updated", _utc_text(entry.updated))
    _add_element(element, "dc:creator", entry.author)
    _add_link(element, "via", entry.source, "text/html", "atom:link")
    if entry.picture:
        about = {"url": entry.picture.address, "type": entry.picture.media_type}
        SubElement(element, "enclosure", about, length=str(entry.picture.size))
    for tag in _tags(entry):
        _add_element(element, "category", tag)
    yield ElementTree.tostring(element, encoding="unicode").removesuffix("</item>").encode()
    yield b"<content:encoded>"
    for piece in _content_html(entry):
        yield escape(piece).encode()
    yield b"</content:encoded></item>"


OPML_MEDIA_TYPE = "text/x-opml"


def write_opml(title: str, feeds: Iterable[tuple[str, str, str]]) -> bytes:
    """Return a list of feeds, each with its title, its address and the page that shows the same, as OPML."""
    root = Element("opml", version="2.0")
    _add_element(SubElement(root, "head"), "title", title)
    body = SubElement(root, "body")
    for name, address, page in feeds:
        SubElement(body, "outline", type="rss", text=name, title=name, xmlUrl=address, htmlUrl=page)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


JSON_FEED_MEDIA_TYPE = "application/feed+json"


def write_json_feed(feed: FeedDocument) -> Iterator[bytes]:
    """Write a feed as JSON Feed, piece by piece."""
    document: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.home,
        "feed_url": feed.address,
        "language": "zh-CN",
        "items": [],
    }
    if feed.next:
        document["next_url"] = feed.next
    if feed.head:
        chains = [chain._asdict() for chain in feed.head.chains]
        taken = _utc_text(feed.head.taken_at)
        document["_mparchive"] = {"taken_at": taken, "digest": feed.head.digest, "heads": chains}
    head, place, tail = _json(document).partition(b'"items": [')
    yield head + place
    for number, entry in enumerate(feed.entries):
        yield b", " if number else b""
        yield from _json_item(entry)
    yield tail


def _json_item(entry: FeedEntry) -> Iterator[bytes]:
    head, place, tail = _json(_item(entry)).partition(b'"content_html": "')
    yield head + place
    for piece in _content_html(entry):
        yield _json(piece)[1:-1]
    yield tail


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _item(entry: FeedEntry) -> dict[str, Any]:
    item = {
        "id": entry.id,
        "url": entry.page,
        "external_url": entry.source,
        "title": entry.title,
        "content_html": "",
        "date_published": entry.published.isoformat(timespec="seconds"),
        "date_modified": entry.updated.isoformat(timespec="seconds"),
        "authors": [{"name": entry.author}],
        "tags": _tags(entry),
        "language": "zh-CN",
    }
    if picture := entry.picture:
        file = {"url": picture.address, "mime_type": picture.media_type, "size_in_bytes": picture.size}
        item |= {"image": picture.address, "attachments": [file]}
    return item
