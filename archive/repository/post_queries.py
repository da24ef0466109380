"""Every read of the archive."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter
from sqlalchemy import ColumnElement, Select, and_, func, or_, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session, load_only

from archive.db.models import Account, AddressRow, Post, Version
from archive.domain import pagination
from archive.domain.errors import ArchiveError
from archive.domain.pg_text import storable
from archive.domain.records import Record
from archive.repository.accounts import belongs_to

Rows = TypeVar("Rows", bound="Select[*tuple[Any, ...]]")

STREAMED = 200  # rows a fetch of the streaming reads: about 1 MB of posts


def records(
    session: Session, account: str | None = None, since: date | None = None, until: date | None = None
) -> Iterator[Record]:
    """The posts as records, streamed: newest day first, then newest push, within it by place.

    `account` is a name or a biz; `since` and `until` are dates in Asia/Shanghai, both included.
    """
    rows = select(Post.aid, Post.title, Post.url, Post.published_on, Post.account_name, Post.text)
    rows = chosen_posts(rows, account, since, until).order_by(*NEWEST_FIRST)
    found = session.execute(rows, execution_options={"yield_per": STREAMED})
    return (Record(r[0], r[1], r[2], r[3].isoformat(), r[4], r[5]) for r in found)


def posts(
    session: Session, account: str | None = None, since: date | None = None, until: date | None = None
) -> Iterator[Post]:
    """The posts themselves with their HTML, in the same order, one at a time in memory."""
    ids = session.scalars(chosen_posts(select(Post.id), account, since, until).order_by(*NEWEST_FIRST)).all()
    return (session.get_one(Post, post_id) for post_id in ids)


NEWEST_FIRST = (Post.published_on.desc(), Post.mid.desc(), Post.idx, Account.biz)


def chosen_posts(rows: Rows, account: str | None, since: date | None, until: date | None) -> Rows:
    """What is selected of posts, of those of an account and between two days; joins their accounts."""
    chosen = [] if account is None else [belongs_to(account)]
    chosen += [] if since is None else [Post.published_on >= since]
    chosen += [] if until is None else [Post.published_on <= until]
    return rows.join(Account, Account.id == Post.account_id).where(*chosen)


def record_of(post: Post) -> Record:
    """A post as the dump has it."""
    return Record(post.aid, post.title, post.url, post.published_on.isoformat(), post.account_name, post.text)


def find_posts(session: Session, aid: str, biz: str | None = None) -> list[Post]:
    """The posts of this aid: one an account."""
    rows = select(Post).join(Account, Account.id == Post.account_id).where(Post.aid == aid)
    if biz is not None:
        rows = rows.where(Account.biz == biz)
    return list(session.scalars(rows.order_by(Account.biz)))


def posts_by_id(session: Session, ids: Sequence[int]) -> dict[int, Post]:
    """Return the posts of these ids, by id; an id without a post is left out."""
    return {post.id: post for post in session.scalars(select(Post).where(Post.id.in_(ids)))}


def versions_of(session: Session, post: Post) -> list[Version]:
    """The states of a post's text, first to last."""
    return list(session.scalars(select(Version).where(Version.post_id == post.id).order_by(Version.number)))


def last_changes(session: Session, post_ids: Sequence[int]) -> dict[int, datetime]:
    """When the newest version of each post was recorded."""
    rows = select(Version.post_id, func.max(Version.recorded_at)).where(Version.post_id.in_(post_ids))
    return {post_id: recorded_at for post_id, recorded_at in session.execute(rows.group_by(Version.post_id))}


_NUMBER = Annotated[int, Field(strict=True, ge=0, lt=2**63)]

_PLACE = TypeAdapter(tuple[date, _NUMBER, _NUMBER, Annotated[str, Field(max_length=200)]])

_IN_A_LIST = (
    Post.id, Post.aid, Post.mid, Post.idx, Post.title, Post.url, Post.published_on, Post.published_at,
    Post.account_name, Post.kind, Post.first_archived_at,
)  # fmt: skip


class CursorError(ArchiveError):
    """A cursor is none that this archive has given."""


@dataclass(frozen=True, slots=True)
class PostPosition:
    """A place in the stream: that of a post. `published_on` is a date in Asia/Shanghai."""

    published_on: date
    mid: int
    idx: int
    biz: str

    def cursor(self) -> str:
        """The place as an opaque word for an address."""
        return pagination.encode([self.published_on.isoformat(), self.mid, self.idx, self.biz])


def place_of(cursor: str) -> PostPosition:
    """The place that a cursor stands for. Raises CursorError."""
    try:
        place = PostPosition(*_PLACE.validate_python(pagination.decode(cursor)))
    except (ValueError, RecursionError):  # pydantic's error is one of the first
        raise CursorError("that cursor is none of this archive's; begin without one") from None
    return place


@dataclass(frozen=True, slots=True)
class PostFilter:
    """Which posts: of an account (name or biz), of a kind, between two days in Asia/Shanghai (included)."""

    account: str | None = None
    kind: str | None = None
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some posts with their accounts' biz, and where the next page begins."""

    posts: Sequence[tuple[Post, str]]
    next: str | None


def page(
    session: Session,
    chosen: PostFilter,
    after: str | None,
    limit: int,
    columns: Sequence[InstrumentedAttribute[str]] = (),
) -> Page:
    """The posts after a cursor, at most so many, without text but for `columns`. Raises CursorError."""
    account = None if chosen.account is None else storable(chosen.account)
    rows = chosen_posts(select(Post, Account.biz), account, chosen.since, chosen.until)
    rows = rows.options(load_only(*_IN_A_LIST, *columns, raiseload=True))
    if chosen.kind is not None:
        rows = rows.where(Post.kind == storable(chosen.kind))
    if after is not None:
        rows = rows.where(_is_after(place_of(after)))
    found = [(post, biz) for post, biz in session.execute(rows.order_by(*NEWEST_FIRST).limit(limit + 1))]
    more = found[:limit][-1:] if len(found) > limit else []
    return Page(found[:limit], next((place_at(post, biz).cursor() for post, biz in more), None))


def place_at(post: Post, biz: str) -> PostPosition:
    """The place of a post of an account."""
    return PostPosition(post.published_on, post.mid, post.idx, biz)


def _is_after(place: PostPosition) -> ColumnElement[bool]:
    same_push = and_(Post.published_on == place.published_on, Post.mid == place.mid)
    return or_(
        Post.published_on < place.published_on,
        and_(Post.published_on == place.published_on, Post.mid < place.mid),
        and_(same_push, Post.idx > place.idx),
        and_(same_push, Post.idx == place.idx, Account.biz > storable(place.biz)),
    )


IS_ITS_ADDRESS = (AddressRow.account_id == Post.account_id) & (AddressRow.aid == Post.aid)

# Only the day is known of a post of a dump: noon of it, in Asia/Shanghai, stands for the instant.
NOON = func.timezone("Asia/Shanghai", Post.published_on + text("interval '12 hours'"))

PUBLISHED_AT = func.coalesce(Post.published_at, NOON)
