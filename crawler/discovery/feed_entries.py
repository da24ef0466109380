"""Reading feeds: RSS and Atom by feedparser, JSON Feed, which it does not know, by a few lines. Pure."""

import logging
from calendar import timegm
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import feedparser

from crawler.discovery.answers import listed, loaded, words
from crawler.discovery.source import State, Trouble

logger = logging.getLogger("crawler")
MAX_BYTES = (
    8 * 1024 * 1024
)  # of a feed; one of 20 whole posts has 6 MB, and broken XML is read at 0.2 MB a second
MAX_ENTRIES = 1000  # of one feed; readers give 20 to 100


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a feed. `published_at` is an aware UTC instant; `content` is HTML or text."""

    id: str
    link: str
    title: str
    published_at: datetime | None
    content: str


class _Bytes:
    """What feedparser reads from. Given plain bytes, it would first look for a file of that name."""

    def __init__(self, content: bytes):
        self._content = content

    def read(self) -> bytes:
        return self._content


def entries(body: bytes) -> list[Entry]:
    """The entries of a feed; raises Trouble when this is no feed."""
    if len(body) > MAX_BYTES:
        raise Trouble(State.NOT_UNDERSTOOD, f"a feed of {len(body)} bytes; at most {MAX_BYTES} are read")
    if body.lstrip()[:1] == b"{":
        return _json_entries(body)
    try:
        feed = feedparser.parse(_Bytes(body), sanitize_html=False, resolve_relative_uris=False)
    except Exception:  # it trusts what a feed says in more places than can be named
        raise Trouble(State.NOT_UNDERSTOOD, "the feed cannot be read") from None
    if not feed.get("version") and not feed.entries:
        raise Trouble(State.NOT_UNDERSTOOD, f"no feed came but {len(body)} bytes of something else")
    return _readable(_entry, feed.entries[:MAX_ENTRIES])


def _readable(read: Callable[[Any], Entry], entries: Sequence[Any]) -> list[Entry]:
    """The entries that can be read; one that cannot is logged. Raises Trouble where none can."""
    found: list[Entry] = []
    why = ""
    for number, entry in enumerate(entries, 1):
        try:
            found.append(read(entry))
        except (MemoryError, OSError):
            raise
        except Exception as error:
            why = f"entry {number} could not be read ({type(error).__name__})"
            logger.error("action=entry_unreadable reason=%s", why)
    if why and not found:
        raise Trouble(State.NOT_UNDERSTOOD, why)
    return found


def _entry(entry: Any) -> Entry:
    contents = [entry.get("summary", ""), *(one.get("value", "") for one in entry.get("content", ()))]
    return Entry(
        id=str(entry.get("id", "")),
        link=str(entry.get("link", "")),
        title=words(entry.get("title")),
        published_at=_from_struct(entry.get("published_parsed") or entry.get("updated_parsed")),
        content="\n".join(str(content) for content in contents),
    )


def _from_struct(time: Any) -> datetime | None:
    if time is None:
        return None
    try:
        return datetime.fromtimestamp(timegm(time), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _json_entries(body: bytes) -> list[Entry]:
    feed = loaded(body)
    if not isinstance(feed, dict) or "items" not in feed:
        raise Trouble(State.NOT_UNDERSTOOD, "JSON that is no JSON Feed")
    return _readable(_json_entry, listed(feed["items"])[:MAX_ENTRIES])


def _json_entry(item: dict[str, Any]) -> Entry:
    def text(name: str) -> str:
        value = item.get(name)
        return value if isinstance(value, str) else ""

    return Entry(
        id=str(item.get("id") or ""),
        link=text("url") or text("external_url"),
        title=words(item.get("title")),
        published_at=_from_iso(text("date_published") or text("date_modified")),
        content="\n".join((text("external_url"), text("content_html"), text("content_text"))),
    )


def _from_iso(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
