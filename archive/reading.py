"""A reading: what the parser says one capture is and says."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from archive.record import Record
from archive.vocabulary import Kind, Outcome, Relation, Role


@dataclass(frozen=True, slots=True)
class Medium:
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
class Link:
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


UNREADABLE = "this page could not be read: "  # how the reason of such a reading begins


@dataclass(frozen=True)
class Reading:
    """The parser's whole answer for one page.

    `record` is there exactly when `outcome` is ARTICLE *and* the page names its post (biz, mid, idx).
    `reason` says in the page's own words, where it has some, why the outcome is what it is.
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
    media: tuple[Medium, ...] = ()
    links: tuple[Link, ...] = ()

    @property
    def is_unreadable(self) -> bool:
        """Whether it stands for a page whose reading or storing failed."""
        return self.outcome is Outcome.UNKNOWN and self.reason.startswith(UNREADABLE)


def unreadable(why: str) -> Reading:
    """What is stored of a page whose reading or storing failed, and why, in a few words."""
    return Reading(Outcome.UNKNOWN, reason=f"{UNREADABLE}{why}")
