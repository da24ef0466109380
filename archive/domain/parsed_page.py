"""A reading: what the parser says one capture is and says."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from archive.domain.messages import Message
from archive.domain.outcomes import Kind, Outcome, Relation, Role
from archive.domain.pg_text import index_key, storable, storable_json
from archive.domain.records import Record, record_hash


@dataclass(frozen=True, slots=True)
class MediaRef:
    """An image, audio or video of a post, at the address its page gives.

    `key` is what it is known by: the address, or of a signed (expiring) one the video's own id.
    `position` counts from 0 within its role. `expires_at` is an aware UTC instant.
    `facts` holds what else the page tells (alt, width, height, duration_ms, bytes, id), as JSON values.
    """

    role: Role
    key: str
    url: str
    position: int
    expires_at: datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinkRef:
    """Something a post leads to.

    `key` is what it is known by, never empty: the work list's key of a post (biz:mid:idx or s/TOKEN), the id
    of an album or topic, the biz of an account, the appid and path of a mini-program, else the address.
    `url` is empty where the page gives none. `position` counts from 0 within its relation.
    """

    relation: Relation
    key: str
    url: str
    position: int
    text: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


UNREADABLE = "archive.page.unreadable"  # code of the reason of a page whose parsing or storing failed


@dataclass(frozen=True)
class ParsedPage:
    """The parser's whole answer for one page.

    `record` is there exactly when `outcome` is ARTICLE *and* the page names its post (biz, mid, idx).
    `reason` says why the outcome is what it is: the page's own words, or what `Message.dump` writes.
    `page` holds everything else the page tells, as JSON values.
    `published_at` is an aware UTC instant; `needs_browser` says the plain answer holds no body but a
    rendered one might.
    `html` is the body's HTML as the page holds it, not made safe; empty where the body is plain text.
    """

    outcome: Outcome
    reason: str = ""
    kind: Kind | None = None
    record: Record | None = None
    biz: str | None = None
    published_at: datetime | None = None
    needs_browser: bool = False
    page: dict[str, Any] = field(default_factory=dict)
    html: str = ""
    media: tuple[MediaRef, ...] = ()
    links: tuple[LinkRef, ...] = ()

    @property
    def is_unreadable(self) -> bool:
        """Tell whether this stands for a page whose parsing or storing failed."""
        return self.outcome is Outcome.UNKNOWN and Message.load(self.reason).code == UNREADABLE


def unreadable(why: Message) -> ParsedPage:
    """Return what is stored of a page whose parsing or storing failed, with the reason."""
    return ParsedPage(Outcome.UNKNOWN, reason=Message(UNREADABLE, {"reason": why}).dump())


Identity = tuple[int, str]  # account id and aid

Association = tuple[str, str]

_TIED = ("media", "links")  # they have rows of their own


@dataclass(frozen=True)
class PostState:
    """What one source says a post is; the other four where that is its page, `fetched_at` in UTC."""

    account_id: int
    record: Record
    source: str
    capture_id: int | None = None
    reading: ParsedPage | None = None
    parser_version: int | None = None
    fetched_at: datetime | None = None

    @property
    def identity(self) -> Identity:
        """What makes two states those of one post."""
        return self.account_id, self.record.aid

    @property
    def is_whole(self) -> bool:
        """Whether the source had the post's whole text."""
        return self.reading is None or not self.reading.needs_browser

    @property
    def hash(self) -> str:
        """The hash of what would be stored."""
        return record_hash(self.record)


@dataclass(frozen=True, slots=True)
class CurrentPage:
    """The page that is now what a post is."""

    post_id: int
    capture_id: int
    reading: ParsedPage


def page_ties(reading: ParsedPage) -> tuple[set[Association], set[Association]]:
    """The media and the links that are tied to a post: role or relation, and key, as they are stored."""
    media = {(medium.role.value, index_key(medium.key)) for medium in reading.media}
    return media, {(link.relation.value, index_key(link.key)) for link in reading.links}


def page_facts(reading: ParsedPage | None) -> dict[str, Any]:
    """What is stored of a post besides its record; nothing is known where no page was read."""
    page = {name: value for name, value in reading.page.items() if name not in _TIED} if reading else {}
    return {
        "published_at": reading.published_at if reading else None,
        "kind": reading.kind if reading else None,
        "facts": storable_json(page),
        "html": storable(reading.html) if reading and reading.html else None,
    }
