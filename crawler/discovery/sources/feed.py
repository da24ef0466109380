"""Reading feeds: RSS and Atom by feedparser, JSON Feed, which it does not know, by a few lines. Pure."""

import hashlib
import logging
from calendar import timegm
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import feedparser

from archive.domain.addresses import embedded, in_text, is_post
from crawler.discovery.responses import checked, is_html, listed, loaded, web_page, words
from crawler.discovery.source import (
    ETAG,
    MODIFIED,
    Ask,
    Discovery,
    Found,
    Reply,
    Seen,
    SourceError,
    State,
    newest_of,
)

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
        raise SourceError(State.NOT_UNDERSTOOD, f"a feed of {len(body)} bytes; at most {MAX_BYTES} are read")
    if body.lstrip()[:1] == b"{":
        return _json_entries(body)
    try:
        feed = feedparser.parse(_Bytes(body), sanitize_html=False, resolve_relative_uris=False)
    except Exception:  # it trusts what a feed says in more places than can be named
        raise SourceError(State.NOT_UNDERSTOOD, "the feed cannot be read") from None
    if not feed.get("version") and not feed.entries:
        raise SourceError(State.NOT_UNDERSTOOD, f"no feed came but {len(body)} bytes of something else")
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
        raise SourceError(State.NOT_UNDERSTOOD, why)
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
        raise SourceError(State.NOT_UNDERSTOOD, "JSON that is no JSON Feed")
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


RESOLVED = 20  # links of a try that are asked where they lead

REMEMBERED = 500  # of those that were asked, so that none is asked twice

ASIDE = 20  # links taken from the words of one entry

MAX_MARK = 500  # characters of an ETag; longer ones are not sent back

_ACCEPT = (
    "Accept",
    "application/feed+json, application/json;q=0.9, application/atom+xml, application/rss+xml, "
    "application/xml;q=0.9, */*;q=0.5",
)


class Feed:
    """One feed. `named` is its address as configured, without what is secret in it.

    `read` takes the entries out of a feed; it raises Trouble.
    """

    def __init__(
        self,
        address: str,
        named: str = "",
        *,
        secret: bool = False,
        problem: str = "",
        read: Callable[[bytes], list[Entry]] = entries,
    ):
        self.name = feed_name(named or address)
        self.host = urlsplit(address).netloc
        self._address = address
        self._secret = secret
        self._problem = problem
        self._entries_of = read

    def __repr__(self) -> str:
        """Without what may be secret."""
        return f"Feed({self.name!r})"

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """Read it, when it has changed since the last try."""
        if self._problem:
            return Found(State.NOT_CONFIGURED, self._problem, memory=memory)
        seen: list[Seen] = []
        try:
            return (yield from self._read(memory, seen))
        except SourceError as trouble:
            return trouble.found(seen, memory)

    def _read(self, memory: dict[str, Any], seen: list[Seen]) -> Discovery:
        conditions = _conditions(memory)
        headers = (_ACCEPT, *conditions)
        reply = yield Ask(self._address, headers=headers, secret=self._secret, follow=not self._secret)
        if reply.status == 304 and not conditions:
            raise SourceError(
                State.NOT_UNDERSTOOD, "it says that nothing has changed, and never said what there is (304)"
            )
        if reply.status == 304:
            return Found(State.UNCHANGED, memory=memory)
        checked(reply)
        if is_html(reply.body):
            raise web_page(reply)
        found = self._entries_of(reply.body)
        if not found:
            raise SourceError(State.EMPTY, "the feed has no entries")
        kept = _marks(reply)
        resolved = yield from self._resolve(found, memory)
        for entry in found:
            seen.extend(posts_of(entry, resolved))
        if not seen:
            raise SourceError(
                State.NOT_UNDERSTOOD, f"none of its {len(found)} entries leads to a post of WeChat's"
            )
        if resolved:
            kept["resolved"] = dict(list(resolved.items())[-REMEMBERED:])
        return Found(State.OK, "", tuple(seen), newest_of(seen), kept)

    def _resolve(self, found: list[Entry], memory: dict[str, Any]) -> Generator[Ask, Reply, dict[str, str]]:
        """Where the feed's own server sends to for entries that name no post: a reader's redirects."""
        known = memory.get("resolved")
        resolved: dict[str, str] = dict(known) if isinstance(known, dict) else {}
        unknown = [entry.link for entry in found if self._leads_on(entry) and entry.link not in resolved]
        for link in unknown[:RESOLVED]:
            reply = yield Ask(link, secret=self._secret, follow=False)
            if reply.error or reply.status >= 500:
                continue  # nothing is known of it; it is asked at the next try
            target = reply.header("location") if 300 <= reply.status < 400 else ""
            resolved[link] = target if is_post(target) else ""
        return resolved

    def _leads_on(self, entry: Entry) -> bool:
        here = urlsplit(entry.link).netloc == self.host
        return here and not _named(entry) and not in_text(entry.content)


def feed_name(address: str) -> str:
    """`feed:host/path`, with a mark for its query: the address itself may be long, or one's own affair."""
    parts = urlsplit(address)
    mark = f"?{hashlib.sha256(parts.query.encode()).hexdigest()[:8]}" if parts.query else ""
    return f"feed:{parts.netloc}{parts.path.rstrip('/')}{mark}"


def _conditions(memory: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    marks = {"If-None-Match": memory.get(ETAG), "If-Modified-Since": memory.get(MODIFIED)}
    return tuple((name, value) for name, value in marks.items() if isinstance(value, str) and value)


def _marks(reply: Reply) -> dict[str, Any]:
    marks = {ETAG: reply.header("etag"), MODIFIED: reply.header("last-modified")}
    return {name: value for name, value in marks.items() if value and len(value) <= MAX_MARK}


def _named(entry: Entry) -> str:
    """The post's address where the entry's link or id is one or carries one; empty otherwise."""
    for link in (entry.link, entry.id):
        if is_post(link):
            return link
    return embedded(entry.link) or embedded(entry.id)


def posts_of(entry: Entry, resolved: dict[str, str]) -> list[Seen]:
    """The posts an entry leads to: the one it is, else those its words link to."""
    kept = {"entry": entry.id[:300]} if entry.id else {}
    url = _named(entry) or resolved.get(entry.link, "")
    if url:
        return [Seen(url, entry.title, entry.published_at, kept)]
    links = in_text(entry.content)[:ASIDE]
    if len(links) == 1:
        return [Seen(links[0], entry.title, entry.published_at, kept)]
    return [Seen(link, listing=kept, aside=True) for link in links]
