"""A feed as Atom (RFC 4287)."""

from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from archive.web.feeds.entries import Entry, Feed, as_html

MEDIA_TYPE = "application/atom+xml"
_LANGUAGE = {"xmlns": "http://www.w3.org/2005/Atom", "xml:lang": "zh-CN"}


def write_atom(feed: Feed, empty: datetime) -> bytes:
    """The feed's document; `empty` is its date while it has no entries."""
    root = Element("feed", _LANGUAGE)
    _put(root, "id", feed.address)
    _put(root, "title", feed.title)
    _put(root, "updated", _instant(feed.updated(empty)))
    _put(root, "generator", "mparchive")
    _link(root, "self", feed.address, MEDIA_TYPE)
    _link(root, "alternate", feed.home, "text/html")
    if feed.next:
        _link(root, "next", feed.next, MEDIA_TYPE)
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
