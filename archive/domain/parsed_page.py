"""Define the parser's result for one capture, and the state of a post that follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from archive.domain.messages import Message
from archive.domain.outcomes import Kind, Outcome, Relation, Role
from archive.domain.records import Record, record_hash
from archive.domain.text import index_key, storable, storable_json


@dataclass(frozen=True, slots=True)
class MediaRef:
    """An image, audio or video of a post, at the address its page gives.

    `key` is what it is known by: the address, or of a signed (expiring) one the video's own id.
    `position` counts from 0 within its role. `expires_at` is an aware UTC instant.
    `facts` holds what else the page says (alt, width, height, duration_ms, bytes, id), as JSON values.
    """

    role: Role
    key: str
    url: str
    position: int
    expires_at: datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinkRef:
    """A link of a post.

    `key` is what it is known by, never empty: an address key (biz:mid:idx or s/TOKEN) for a post, the id
    of an album or topic, the biz of an account, the appid and path of a mini-program, else the address.
    `url` is empty where the page gives none. `position` counts from 0 within its relation.
    """

    relation: Relation
    key: str
    url: str
    position: int
    text: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def is_preview(facts: Mapping[str, Any]) -> bool:
    """Tell by its facts whether a post is paid and only its free preview is stored.

    Parsers before version 6 stored only that it is paid.
    """
    return bool(facts.get("preview", facts.get("paid")))


UNREADABLE = "archive.page.unreadable"  # code of the reason of a page whose parsing or storing failed


@dataclass(frozen=True)
class ParsedPage:
    """The parser's whole result for one page.

    `record` is there exactly when `outcome` is ARTICLE *and* the page names its post (biz, mid, idx).
    `reason` says why the outcome is what it is: the page's own words, or a dumped Message.
    `page` holds everything else the page says, as JSON values.
    `published_at` is an aware UTC instant; `needs_browser` says that the response holds no body but a
    rendered page might.
    `html` is the body's HTML as the page holds it, not sanitised; empty where the body is plain text.
    `style_sheets` are the addresses of WeChat's own that the page loads.
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
    style_sheets: tuple[str, ...] = ()

    @property
    def is_unreadable(self) -> bool:
        """Tell whether this stands for a page whose parsing or storing failed."""
        return self.outcome is Outcome.UNKNOWN and Message.load(self.reason).code == UNREADABLE


def unreadable(why: Message) -> ParsedPage:
    """Return what is stored of a page whose parsing or storing failed, with the reason."""
    return ParsedPage(Outcome.UNKNOWN, reason=Message(UNREADABLE, {"reason": why}).dump())


PostIdentity = tuple[int, str]  # account id and aid

Association = tuple[str, str]

_ASSOCIATED = ("media", "links")  # they have rows of their own


@dataclass(frozen=True)
class PostState:
    """What one source says a post is.

    The last five are set where the source is its page; `fetched_at` is an aware UTC instant. `is_dated`
    tells whether that is when the page was served; of a saved file it may be when the file was copied.
    """

    account_id: int
    record: Record
    source: str
    capture_id: int | None = None
    page: ParsedPage | None = None
    parser_version: int | None = None
    fetched_at: datetime | None = None
    is_dated: bool = True

    @property
    def identity(self) -> PostIdentity:
        """Return what identifies the post."""
        return self.account_id, self.record.aid

    @property
    def is_whole(self) -> bool:
        """Tell whether the source has the post's whole text."""
        return self.page is None or not self.page.needs_browser

    @property
    def hash(self) -> str:
        """Return the content hash of what would be stored."""
        return record_hash(self.record)


@dataclass(frozen=True, slots=True)
class CurrentPage:
    """The page that a post's current state is from."""

    post_id: int
    capture_id: int
    page: ParsedPage


def page_associations(page: ParsedPage) -> tuple[set[Association], set[Association]]:
    """Return the media and the links of a page, each as role or relation and stored key."""
    media = {(medium.role.value, index_key(medium.key)) for medium in page.media}
    return media, {(link.relation.value, index_key(link.key)) for link in page.links}


def page_facts(page: ParsedPage | None) -> dict[str, Any]:
    """Return what is stored of a post besides its record; all empty where no page was parsed."""
    facts = {name: value for name, value in page.page.items() if name not in _ASSOCIATED} if page else {}
    return {
        "published_at": page.published_at if page else None,
        "kind": page.kind if page else None,
        "page_metadata": storable_json(facts),
        "html": storable(page.html) if page and page.html else None,
    }
