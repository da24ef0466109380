"""What a feed says of each post. Pure."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from urllib.parse import quote

from archive import entities
from archive.models import Post
from archive.record import SHANGHAI
from archive.web.titles import is_visible

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
