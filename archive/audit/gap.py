"""A gap: something the archive should have and does not; and the account whose gaps are looked for."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, ColumnElement, DateTime, Result, Select, Text, bindparam, select
from sqlalchemy.orm import Session

from archive.db.models import Account, Address, Post, PostLink, Source
from archive.domain.messages import Message
from archive.domain.monitoring import NEIGHBOURS
from archive.domain.outcomes import Relation
from archive.domain.records import SHANGHAI


class GapKind(StrEnum):
    """What is missing; docs/reference/audit.md explains each kind."""

    HOLE = "hole"  # a position within a push
    MENTIONED = "mentioned"  # a post, or posts of an album, that something else names
    DIGEST = "digest"  # a title that a weekly digest lists
    SILENT = "silent"  # days without a post where some were usual
    NO_PAGE = "no_page"  # a post's own page
    NO_IMAGES = "no_images"  # images that a post shows
    PREVIEW = "preview"  # what a paid post says after its free part
    UNREAD = "unread"  # what a stored page says
    NOT_RENDERED = "not_drawn"  # a text that only a browser shows
    UNKNOWN = "unknown"  # what a response means


@dataclass(frozen=True, slots=True)
class Gap:
    """One gap of an account; `biz` and `account` are empty where the account is not known.

    `subject` is what is missing (an aid, an address, a title, or a message), `what` the evidence, `remedy`
    what to do. `day` is a date in Asia/Shanghai, None where it is not known. `fillable`: `mparchive audit
    --fill` has something to fetch: the address `address_id`, else `url`, else `album` and the sources of the
    account.
    """

    kind: GapKind
    biz: str
    account: str
    subject: str | Message
    what: Message
    remedy: Message
    fillable: bool
    day: date | None = None
    title: str = ""
    address_id: int | None = None
    url: str = ""
    album: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the gap as `audit --json` prints it, in English."""
        return {
            "kind": self.kind,
            "biz": self.biz,
            "account": self.account,
            "subject": str(self.subject),
            "title": self.title,
            "what": str(self.what),
            "code": self.what.code,
            "remedy": str(self.remedy),
            "fillable": self.fillable,
            "day": self.day.isoformat() if self.day else None,
        }


MAX_COUNTED = 100  # gaps of a kind that a bounded search counts: it need not read what follows

ADD_SOURCE = Message("archive.audit.remedy_add_source")

FETCH = Message("archive.audit.remedy_fetch")


@dataclass(frozen=True, slots=True)
class AuditScope:
    """An account, or (without an id) the addresses whose account is not known. `now` is aware UTC.

    `can_search`: there is a source, or an album, whose list may have posts without a known address.
    `most` bounds the gaps of a kind that a search returns; `omitted` counts those that it left out, of
    addresses and of posts without page or images at most MAX_COUNTED: a bounded query finds `counted` rows,
    one more, which tells that there are more.
    """

    account_id: int | None
    biz: str
    name: str
    now: datetime
    can_search: bool
    most: int | None = None
    counted: int | None = None
    omitted: Counter[GapKind] = field(default_factory=Counter)

    def note_omitted(self, found: Iterable[tuple[GapKind, int]]) -> None:
        """Count what a bounded query left out; `found` has for each of its rows the kind and the true number.

        The number is that of all rows of the kind, as a window function counts it.
        """
        numbers = dict(found := list(found))
        self.omitted.update(Counter(numbers) - Counter(kind for kind, _ in found))

    @property
    def addresses(self) -> ColumnElement[bool]:
        """Return the SQL condition for its addresses; of short links the account they were listed under."""
        if self.account_id is None:
            return Address.account_id.is_(None) & Address.expected_biz.is_(None)
        expected = Address.account_id.is_(None) & (Address.expected_biz == self.biz)
        return (Address.account_id == self.account_id) | expected

    def execute(self, session: Session, build: "Build", **values: Any) -> Result[*tuple[Any, ...]]:
        """Execute the statement that `build` returns; it is built once, for any account.

        To build those of a page of gaps takes longer than to execute them. `build` may use `most` and whether
        there is an account; all other values are parameters, as are these further ones.
        """
        statement = _built(build, self.most, self.counted, has_account=self.account_id is not None)
        own = {"account_id": self.account_id, "biz": self.biz, "now": self.now}
        return session.execute(statement, {**own, **values})

    def gap(self, kind: GapKind, subject: str | Message, what: Message, remedy: Message, **more: Any) -> Gap:
        """Return a gap of the account; `more` are further fields of Gap."""
        return Gap(kind, self.biz, self.name or self.biz, subject, what, remedy, **more)


Build: TypeAlias = Callable[[AuditScope], Select[*tuple[Any, ...]]]


@cache
def _built(
    build: Build, most: int | None, counted: int | None, *, has_account: bool
) -> Select[*tuple[Any, ...]]:
    account_id: Any = bindparam("account_id", type_=BigInteger) if has_account else None
    biz: Any = bindparam("biz", type_=Text)
    now: Any = bindparam("now", type_=DateTime(timezone=True))
    return build(AuditScope(account_id, biz, "", now, can_search=False, most=most, counted=counted))


def audit_scope(
    session: Session, account_id: int | None, now: datetime, *, has_sources: bool, most: int | None = None
) -> AuditScope:
    """Return the scope of an account. Raises NoResultFound when there is none with this id."""
    counted = None if most is None else MAX_COUNTED + 1
    if account_id is None:
        return AuditScope(None, "", "", now, can_search=False, most=most, counted=counted)
    account = session.get_one(Account, account_id)
    can_search = has_sources or _has_sources(session, account)
    return AuditScope(account_id, account.biz, account.name, now, can_search, most, counted)


def _has_sources(session: Session, account: Account) -> bool:
    """Return whether a source was ever polled, or a post is in an album, which anybody may list."""
    rows = (_POLLED, _IN_ALBUMS)
    return any(session.scalar(one, {"account": account.id}) is not None for one in rows)


_POLLED = (
    select(Source.id).where(Source.account_id == bindparam("account"), Source.type != NEIGHBOURS).limit(1)
)

_IN_ALBUMS = (
    select(PostLink.id)
    .join(Post, Post.id == PostLink.post_id)
    .where(Post.account_id == bindparam("account"), PostLink.relation == Relation.ALBUM)
    .limit(1)
)


def shanghai_day(instant: datetime) -> date:
    """Return the date of an aware instant in Asia/Shanghai."""
    return instant.astimezone(SHANGHAI).date()
