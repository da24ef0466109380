"""What the health checks look at and find; pure data."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class HealthProblem:
    """Something that is wrong now: a key that stays the same while it lasts, words, and what to do."""

    key: str
    words: str
    remedy: str


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A source as it stands. Instants are UTC."""

    biz: str
    account: str
    name: str
    state: str | None = None
    detail: str = ""
    since: datetime | None = None
    failures: int = 0
    seen: int = 0
    new: int = 0
    newest_at: datetime | None = None
    last_tried_at: datetime | None = None
    last_good_at: datetime | None = None
    next_try_at: datetime | None = None
