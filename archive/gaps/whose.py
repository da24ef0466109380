"""Whose gaps are looked for, and what all kinds of them say alike."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from archive.gaps.gap import Gap, GapKind
from archive.models import Account, AddressRow, Post, PostLink, SourceRow
from archive.record import SHANGHAI
from archive.vocabulary import Relation

NO_SOURCE = "give the account a source in mparchive.toml, or `mparchive backfill` the post's address"
_OWN = "neighbours"  # asks nobody but the archive


@dataclass(frozen=True, slots=True)
class Whose:
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


@dataclass(frozen=True, slots=True)
class Named:
    """An account by its id, biz and name."""

    id: int
    biz: str
    name: str


def accounts(session: Session) -> list[Named]:
    """All accounts that anything is known of, in the order they came to be known."""
    return [
        Named(*row)
        for row in session.execute(select(Account.id, Account.biz, Account.name).order_by(Account.id))
    ]


def whose(session: Session, account_id: int | None, now: datetime, *, has_sources: bool) -> Whose:
    """The account of this id; raises NoResultFound when there is none."""
    if account_id is None:
        return Whose(None, "", "", now, can_look=False)
    account = session.get_one(Account, account_id)
    can_look = has_sources or _has_sources(session, account)
    return Whose(account_id, account.biz, account.name, now, can_look)


def _has_sources(session: Session, account: Account) -> bool:
    """Whether a source was ever asked, or the account's posts are in an album, which anybody may list."""
    told = select(SourceRow.id).where(SourceRow.account_id == account.id, SourceRow.name != _OWN)
    albums = select(PostLink.id).join(Post, Post.id == PostLink.post_id)
    albums = albums.where(Post.account_id == account.id, PostLink.relation == Relation.ALBUM)
    return any(session.scalar(rows.limit(1)) is not None for rows in (told, albums))


def day_of(instant: datetime) -> date:
    """The date of an instant in Asia/Shanghai."""
    return instant.astimezone(SHANGHAI).date()
