"""A gap: something the archive should hold and does not. Pure."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class GapKind(StrEnum):
    """What is lacking; docs/audit.md says what each one means."""

    HOLE = "hole"  # a place within a push
    MENTIONED = "mentioned"  # a post, or posts of an album, that something else names
    DIGEST = "digest"  # a title that a weekly digest lists
    SILENT = "silent"  # days without a post where some were usual
    NO_PAGE = "no_page"  # a post's own page
    NO_IMAGES = "no_images"  # images a post shows
    UNREAD = "unread"  # what a kept page says
    NOT_DRAWN = "not_drawn"  # a text that only a browser shows
    UNKNOWN = "unknown"  # what an answer is


@dataclass(frozen=True, slots=True)
class Gap:
    """One gap of an account; `biz` and `account` are empty where no account is told.

    `subject` is what is lacking (aid, address, title, days), `what` the evidence, `remedy` a sentence.
    `day` is a date in Asia/Shanghai, None where it is not known. `fillable`: `mparchive audit --fill` has
    something to ask: the address `address_id`, else `url`, else `album` and the sources of the account.
    """

    kind: GapKind
    biz: str
    account: str
    subject: str
    what: str
    remedy: str
    fillable: bool
    day: date | None = None
    title: str = ""
    address_id: int | None = None
    url: str = ""
    album: str = ""
