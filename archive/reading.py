"""A reading: what the parser says one capture is and says."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from archive.record import Record
from archive.vocabulary import Kind, Outcome


@dataclass(frozen=True)
class Reading:
    """The parser's whole answer for one page.

    `record` is there exactly when `outcome` is ARTICLE *and* the page names its post (biz, mid, idx).
    `reason` says in the page's own words, where it has some, why the outcome is what it is.
    `page` holds everything else the page tells, as JSON values.
    `published_at` is an aware UTC instant; `needs_browser` says the plain answer holds no body but a
    rendered one might.
    """

    outcome: Outcome
    reason: str = ""
    kind: Kind | None = None
    record: Record | None = None
    biz: str | None = None
    published_at: datetime | None = None
    needs_browser: bool = False
    page: dict[str, Any] = field(default_factory=dict)
