"""A gap: something the archive should hold and does not. Pure."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from archive.db.models import Account, AddressRow, Post, PostLink, SourceRow
from archive.domain.outcomes import Relation
from archive.domain.records import SHANGHAI


class GapKind(StrEnum):
    """What is lacking; docs/reference/audit.md says what each one means."""

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


NO_SOURCE = "give the account a source in mparchive.toml, or `mparchive backfill` the post's address"

_OWN = "neighbours"  # asks nobody but the archive


@dataclass(frozen=True, slots=True)
class AuditScope:
    """An account, or (without an id) the addresses that do not tell theirs. `now` is aware UTC.

    `can_look`: there is a source, or an album to list, where posts without an address may be found.
    """

    account_id: int | None
    biz: str
    name: str
    now: datetime
    can_look: bool

    @property
    def addresses(self) -> ColumnElement[bool]:
        """Which addresses are its own; of a short link, whose it was listed as."""
        if self.account_id is None:
            return AddressRow.account_id.is_(None) & AddressRow.expected_biz.is_(None)
        expected = AddressRow.account_id.is_(None) & (AddressRow.expected_biz == self.biz)
        return (AddressRow.account_id == self.account_id) | expected

    def gap(self, kind: GapKind, subject: str, what: str, remedy: str, **more: Any) -> Gap:
        """One of its gaps."""
        return Gap(kind, self.biz, self.name or self.biz, subject, what, remedy, **more)


def whose(session: Session, account_id: int | None, now: datetime, *, has_sources: bool) -> AuditScope:
    """The account of this id; raises NoResultFound when there is none."""
    if account_id is None:
        return AuditScope(None, "", "", now, can_look=False)
    account = session.get_one(Account, account_id)
    can_look = has_sources or _has_sources(session, account)
    return AuditScope(account_id, account.biz, account.name, now, can_look)


def _has_sources(session: Session, account: Account) -> bool:
    """Whether a source was ever asked, or the account's posts are in an album, which anybody may list."""
    told = select(SourceRow.id).where(SourceRow.account_id == account.id, SourceRow.name != _OWN)
    albums = select(PostLink.id).join(Post, Post.id == PostLink.post_id)
    albums = albums.where(Post.account_id == account.id, PostLink.relation == Relation.ALBUM)
    return any(session.scalar(rows.limit(1)) is not None for rows in (told, albums))


def day_of(instant: datetime) -> date:
    """The date of an instant in Asia/Shanghai."""
    return instant.astimezone(SHANGHAI).date()
