"""The stream of posts, newest first: a page at a time, from any place on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from typing import Annotated

from pydantic import Field, TypeAdapter
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, load_only

from archive import cursors, queries
from archive.errors import ArchiveError
from archive.models import Account, Post
from archive.text import storable

MOST_TEXT = 4 * 1024 * 1024  # bytes of text on a page; fifty usual posts have 1.5 MB, one may have 12 MB
_NUMBER = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
_PLACE = TypeAdapter(tuple[date, _NUMBER, _NUMBER, Annotated[str, Field(max_length=200)]])
_IN_A_LIST = (
    Post.id, Post.aid, Post.mid, Post.idx, Post.title, Post.url, Post.published_on, Post.published_at,
    Post.account_name, Post.kind, Post.first_archived_at,
)  # fmt: skip


class CursorError(ArchiveError):
    """A cursor is none that this archive has given."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the stream: that of a post. `published_on` is a date in Asia/Shanghai."""

    published_on: date
    mid: int
    idx: int
    biz: str

    def cursor(self) -> str:
        """The place as an opaque word for an address."""
        return cursors.written([self.published_on.isoformat(), self.mid, self.idx, self.biz])


def place_of(cursor: str) -> Place:
    """The place that a cursor stands for. Raises CursorError."""
    try:
        place = Place(*_PLACE.validate_python(cursors.read(cursor)))
    except (ValueError, RecursionError):  # pydantic's error is one of the first
        raise CursorError("that cursor is none of this archive's; begin without one") from None
    return place


@dataclass(frozen=True, slots=True)
class Chosen:
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
    chosen: Chosen,
    after: str | None,
    limit: int,
    columns: Sequence[InstrumentedAttribute[str]] = (),
) -> Page:
    """The posts after a cursor, at most so many, without text but for `columns`. Raises CursorError.

    With `columns` there are fewer where their texts have more than MOST_TEXT.
    """
    account = None if chosen.account is None else storable(chosen.account)
    rows = queries.chosen_posts(select(Post, Account.biz), account, chosen.since, chosen.until)
    rows = rows.options(load_only(*_IN_A_LIST, *columns, raiseload=True))
    if chosen.kind is not None:
        rows = rows.where(Post.kind == storable(chosen.kind))
    if after is not None:
        rows = rows.where(_is_after(place_of(after)))
    if columns:
        limit = _fitting(session, rows.order_by(*queries.NEWEST_FIRST).limit(limit))
    found = [
        (post, biz) for post, biz in session.execute(rows.order_by(*queries.NEWEST_FIRST).limit(limit + 1))
    ]
    more = found[:limit][-1:] if len(found) > limit else []
    return Page(found[:limit], next((place_at(post, biz).cursor() for post, biz in more), None))


def _fitting(session: Session, rows: Select[Post, str]) -> int:
    """How many of these posts fit into a page with their texts."""
    return fitting(list(session.scalars(rows.with_only_columns(func.octet_length(Post.text)))))


def fitting(sizes: Sequence[int]) -> int:
    """How many texts of these sizes (bytes), from the first on, a page holds; one at least."""
    return max(1, sum(total <= MOST_TEXT for total in accumulate(sizes)))


def place_at(post: Post, biz: str) -> Place:
    """The place of a post of an account."""
    return Place(post.published_on, post.mid, post.idx, biz)


def _is_after(place: Place) -> ColumnElement[bool]:
    same_push = and_(Post.published_on == place.published_on, Post.mid == place.mid)
    return or_(
        Post.published_on < place.published_on,
        and_(Post.published_on == place.published_on, Post.mid < place.mid),
        and_(same_push, Post.idx > place.idx),
        and_(same_push, Post.idx == place.idx, Account.biz > storable(place.biz)),
    )
