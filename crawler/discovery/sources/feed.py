"""The source `feed`: RSS and Atom by feedparser, JSON Feed, which it does not support, by our own code."""

import hashlib
import re
from calendar import timegm
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate
from typing import Any
from urllib.parse import urljoin, urlsplit

import feedparser
import structlog

from archive.domain.address_text import in_text, is_feed, post_addresses
from archive.domain.addresses import public_part, without_session
from archive.domain.messages import Message
from archive.domain.records import SHANGHAI
from crawler.discovery.responses import (
    as_objects,
    as_text,
    check_reply,
    is_web_page,
    nested_json,
    web_page_error,
)
from crawler.discovery.source import (
    ETAG,
    MODIFIED,
    Discovery,
    Fetch,
    ListedPost,
    Reply,
    SourceError,
    SourceFindings,
    State,
    newest_of,
)

logger = structlog.get_logger("crawler")

MAX_BYTES = 8 * 1024 * 1024  # of a feed; one of 20 whole posts has 6 MB, broken XML is parsed at 0.2 MB/s

MAX_HEAD = 4096  # bytes in which a feed begins; the content of its first entry may be a web page

MAX_ENTRIES = 1000  # of one feed; feed servers give 20 to 100

MAX_RESOLVED = 20  # links of one run whose redirects are requested

MAX_REMEMBERED = 500  # resolved links, so that none is requested twice

MAX_LINKS = 20  # links taken from the text of one entry

MAX_EXAMPLE = 200  # characters of the link of an entry that leads to no post

MAX_MARK = 500  # characters of an ETag; longer ones are not sent back

_CLOCK = re.compile(r"\d:\d\d")

_ZONE = re.compile(r"(?:Z|[A-Za-z]{2,5}|[+-]\d\d:?\d\d)\)?\s*$")  # at the end of a time

_MARK = re.compile(r"[0-9a-f]{32}")

_ACCEPT = (
    "Accept",
    "application/feed+json, application/json;q=0.9, application/atom+xml, application/rss+xml, "
    "application/xml;q=0.9, */*;q=0.5",
)


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One entry of a feed. `published_at` is an aware UTC instant; `content` is HTML or text."""

    id: str
    link: str
    title: str
    published_at: datetime | None
    content: str


class _Bytes:
    """A file object for feedparser, which takes plain bytes for the name of a file first."""

    def __init__(self, content: bytes):
        self._content = content

    def read(self) -> bytes:
        return self._content


def read_entries(body: bytes) -> list[FeedEntry]:
    """Return the entries of a feed. Raises SourceError when this is no feed."""
    if len(body) > MAX_BYTES:
        raise SourceError(State.NOT_UNDERSTOOD, "crawler.feed.too_large", size=len(body), limit=MAX_BYTES)
    if body.lstrip()[:1] == b"{":
        return _json_entries(body)
    try:
        feed = feedparser.parse(_Bytes(body), sanitize_html=False, resolve_relative_uris=False)
    except Exception:  # it trusts a feed's content in more places than can be listed
        raise SourceError(State.NOT_UNDERSTOOD, "crawler.feed.unreadable") from None
    if not feed.get("version") and not feed.entries:
        raise SourceError(State.NOT_UNDERSTOOD, "crawler.feed.not_a_feed", size=len(body))
    return _readable(_entry, feed.entries[:MAX_ENTRIES])


def _readable(read: Callable[[Any], FeedEntry], entries: Sequence[Any]) -> list[FeedEntry]:
    """Return the entries that can be read, and log the others. Raises SourceError when none can."""
    found: list[FeedEntry] = []
    failed: tuple[int, str] | None = None
    for number, entry in enumerate(entries, 1):
        try:
            found.append(read(entry))
        except (MemoryError, OSError):
            raise
        except Exception as error:
            failed = number, type(error).__name__
            logger.error("entry unreadable", action="entry_unreadable", entry=failed[0], error=failed[1])
    if failed and not found:
        params = {"number": failed[0], "error": failed[1]}
        raise SourceError(State.NOT_UNDERSTOOD, "crawler.feed.entry_unreadable", **params)
    return found


def _entry(entry: Any) -> FeedEntry:
    contents = [entry.get("summary", ""), *(one.get("value", "") for one in entry.get("content", ()))]
    return FeedEntry(
        id=str(entry.get("id", "")),
        link=str(entry.get("link", "")),
        title=as_text(entry.get("title")),
        published_at=_published(entry),
        content="\n".join(str(content) for content in contents),
    )


def _published(entry: Any) -> datetime | None:
    """Return when an entry was published; a time without a zone, UTC for feedparser, is that of Beijing."""
    # By its own name: for a missing time of a change feedparser gives that of publication.
    is_updated = not entry.get("published_parsed") and dict.get(entry, "updated_parsed")
    name = "updated" if is_updated else "published"
    time, written = dict.get(entry, f"{name}_parsed"), str(dict.get(entry, name, ""))
    is_local = bool(_CLOCK.search(written)) and not _ZONE.search(written)
    try:
        moment = datetime.fromtimestamp(timegm(time or (parsedate(written) if is_local else None) or ()), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return moment.replace(tzinfo=SHANGHAI).astimezone(UTC) if is_local else moment


def _json_entries(body: bytes) -> list[FeedEntry]:
    feed = nested_json(body)
    if not isinstance(feed, dict) or "items" not in feed:
        raise SourceError(State.NOT_UNDERSTOOD, "crawler.feed.not_json_feed")
    return _readable(_json_entry, as_objects(feed["items"])[:MAX_ENTRIES])


def _json_entry(item: dict[str, Any]) -> FeedEntry:
    def text(name: str) -> str:
        value = item.get(name)
        return value if isinstance(value, str) else ""

    links = (text("url") or text("external_url"), text("external_url"))
    return FeedEntry(
        id=str(item.get("id") or ""),
        link=next((link for link in links if any(post_addresses(link))), links[0]),
        title=as_text(item.get("title")),
        published_at=_from_iso(text("date_published") or text("date_modified")),
        content="\n".join((text("content_html"), text("content_text"))),
    )


def _from_iso(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=SHANGHAI)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class FeedSource:
    """One feed. `named` is its address as configured, with placeholders for what is secret in it.

    `read` returns the entries of a feed, or raises SourceError.
    """

    def __init__(
        self,
        address: str,
        named: str = "",
        *,
        secret: bool = False,
        problem: Message | None = None,
        read: Callable[[bytes], list[FeedEntry]] = read_entries,
    ):
        self.name = feed_name(named or address)
        self.host = urlsplit(address).netloc
        self._address = address
        self._secret = secret
        self._problem = problem
        self._read_entries = read

    def __repr__(self) -> str:
        """Return the name, without anything that may be secret."""
        return f"FeedSource({self.name!r})"

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """List its posts, when it has changed since the last run."""
        if self._problem:
            return SourceFindings(State.NOT_CONFIGURED, self._problem, memory=memory)
        posts: list[ListedPost] = []
        try:
            return (yield from self._read(memory, posts))
        except SourceError as error:
            return error.findings(posts, memory)

    def _read(self, memory: dict[str, Any], posts: list[ListedPost]) -> Discovery:
        conditions = _conditions(memory)
        headers = (_ACCEPT, *conditions)
        reply = yield Fetch(self._address, headers=headers, secret=self._secret, follow=not self._secret)
        if reply.status == 304 and not conditions:
            raise SourceError(State.NOT_UNDERSTOOD, "crawler.feed.unasked_304")
        if reply.status == 304:
            return SourceFindings(State.UNCHANGED, memory=memory)
        check_reply(reply)
        begin = reply.body[:MAX_HEAD].decode("utf-8", "replace")
        if is_web_page(reply.body) and not (is_feed(begin) or begin.lstrip().startswith("{")):
            raise web_page_error(reply)
        entries = [
            replace(entry, link=self._absolute(entry.link)) for entry in self._read_entries(reply.body)
        ]
        if not entries:
            raise SourceError(State.EMPTY, "crawler.feed.empty")
        new_memory = _validators(reply)
        resolved = yield from self._resolve(entries, memory)
        for entry in entries:
            posts.extend(posts_of(entry, resolved))
        if not posts:
            raise SourceError(State.NOT_UNDERSTOOD, "crawler.feed.no_posts", n=len(entries))
        astray = [entry for entry in entries if not _own_post(entry, resolved)]
        if resolved:
            new_memory["resolved"] = dict(list(resolved.items())[-MAX_REMEMBERED:])
        found = tuple(posts)
        if not astray:
            return SourceFindings(State.OK, None, found, newest_of(posts), new_memory)
        for name in (ETAG, MODIFIED):  # the same response again must not count as unchanged
            new_memory.pop(name, None)
        return SourceFindings(State.PARTLY, _without_post(astray), found, newest_of(posts), new_memory)

    def _resolve(
        self, entries: list[FeedEntry], memory: dict[str, Any]
    ) -> Generator[Fetch, Reply, dict[str, str]]:
        """Return by hash of the link where the feed's server redirects to, for entries that name no post."""
        known = memory.get("resolved")
        resolved = {_mark(link): url for link, url in known.items()} if isinstance(known, dict) else {}
        unknown = [
            entry.link for entry in entries if self._may_redirect(entry) and _mark(entry.link) not in resolved
        ]
        for link in unknown[:MAX_RESOLVED]:
            reply = yield Fetch(link, secret=self._secret, follow=False)
            if reply.error or reply.status >= 500:
                continue  # unknown; requested again at the next run
            target = reply.header("location") if 300 <= reply.status < 400 else ""
            resolved[_mark(link)] = without_session(next(post_addresses(target), ""))
        return resolved

    def _absolute(self, link: str) -> str:
        """Return a link of an entry as an address; one without a host is on the feed's own server."""
        try:
            return urljoin(self._address, link) if link.startswith("/") else link
        except ValueError:
            return link

    def _may_redirect(self, entry: FeedEntry) -> bool:
        is_own = urlsplit(entry.link).netloc == self.host
        return is_own and not _post_address(entry)


def feed_name(address: str) -> str:
    """Return `feed:host/path`, with a hash of the query: the whole address may be long, or private."""
    parts = urlsplit(address)
    mark = f"?{hashlib.sha256(parts.query.encode()).hexdigest()[:8]}" if parts.query else ""
    return f"feed:{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}{mark}"


def _mark(link: str) -> str:
    """Return a hash of a link, which may hold the feed's secret; what is one already stays."""
    return link if _MARK.fullmatch(link) else hashlib.sha256(link.encode("utf-8", "replace")).hexdigest()[:32]


def _conditions(memory: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the headers of a conditional request."""
    values = {"If-None-Match": memory.get(ETAG), "If-Modified-Since": memory.get(MODIFIED)}
    return tuple((name, value) for name, value in values.items() if isinstance(value, str) and value)


def _validators(reply: Reply) -> dict[str, Any]:
    """Return what a later conditional request needs."""
    values = {ETAG: reply.header("etag"), MODIFIED: reply.header("last-modified")}
    return {name: value for name, value in values.items() if value and len(value) <= MAX_MARK}


def _post_address(entry: FeedEntry) -> str:
    """Return the post's address where the entry's link or id is or contains one; empty otherwise."""
    return next((url for given in (entry.link, entry.id) for url in post_addresses(given)), "")


def _own_post(entry: FeedEntry, resolved: dict[str, str]) -> str:
    """Return the address of the post that an entry is; empty where it leads to none."""
    return _post_address(entry) or resolved.get(_mark(entry.link), "")


def posts_of(entry: FeedEntry, resolved: dict[str, str]) -> list[ListedPost]:
    """Return the post that an entry is, else the posts that its text links to, without title and date.

    A link in the text is another post than the entry: its title and date are not those of the entry.
    """
    listing = {"entry": entry.id[:300]} if entry.id else {}
    if url := _own_post(entry, resolved):
        return [ListedPost(url, entry.title, entry.published_at, listing)]
    return [ListedPost(link, listing=listing, aside=True) for link in in_text(entry.content)[:MAX_LINKS]]


def _without_post(entries: Sequence[FeedEntry]) -> Message:
    """Return how many entries lead to no post, with one of them as an example."""
    example = public_part(entries[0].link or entries[0].id or entries[0].title)
    return Message("crawler.feed.some_without_post", {"n": len(entries), "example": example[:MAX_EXAMPLE]})
