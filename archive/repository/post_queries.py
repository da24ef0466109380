"""Select posts: by account and day, by id, page by page, or as a stream of records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from itertools import accumulate, count
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field, TypeAdapter
from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, func, or_, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased, load_only

from archive.db.models import (
    SERIALS,
    Absence,
    Account,
    Address,
    Capture,
    ParseResult,
    Post,
    Version,
)
from archive.domain import pagination
from archive.domain.errors import ArchiveError
from archive.domain.outcomes import PostMark
from archive.domain.records import SHANGHAI, Record
from archive.domain.text import storable
from archive.domain.update_decisions import REPARSE
from archive.repository.accounts import belongs_to
from archive.repository.notes import noted_ids
from archive.repository.versions import end_of_day, is_dated_by, known_by, texts_at

Rows = TypeVar("Rows", bound="Select[*tuple[Any, ...]]")

STREAM_BATCH = 200  # rows per fetch of the streaming reads: about 1 MB of posts


@dataclass(frozen=True, slots=True)
class PostFilter:
    """A filter of posts: account (name or biz), kind, days in Asia/Shanghai, both included, and mark.

    `ids` selects the posts that a search for `query` found (archive.search.lookup.with_query). `version_at`
    selects those known by the end of that day; exports then have the texts of that time. `tags`, of which a
    post has all, and `is_starred` are what the reader noted.
    """

    account: str | None = None
    kind: str | None = None
    since: date | None = None
    until: date | None = None
    mark: PostMark | None = None
    query: str = ""
    ids: Select[int] | None = field(default=None, compare=False, repr=False)
    tags: tuple[str, ...] = ()
    is_starred: bool = False
    version_at: date | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether it selects every post."""
        return self == type(self)()


EVERY_POST = PostFilter()


def filtered_posts(rows: Rows, chosen: PostFilter) -> Rows:
    """Restrict a selection of posts to a filter; joins `accounts`."""
    rows = rows.join(Account, Account.id == Post.account_id)
    if chosen.account is not None:
        rows = rows.where(belongs_to(storable(chosen.account)))
    if chosen.since is not None:
        rows = rows.where(Post.published_on >= chosen.since)
    if chosen.until is not None:
        rows = rows.where(Post.published_on <= chosen.until)
    if chosen.kind is not None:
        rows = rows.where(Post.kind == storable(chosen.kind))
    if chosen.mark is not None:
        rows = rows.where(has_mark(Post.id, chosen.mark))
    if chosen.ids is not None:
        rows = rows.where(Post.id.in_(chosen.ids))
    if chosen.tags or chosen.is_starred:
        rows = rows.where(Post.id.in_(noted_ids(chosen.tags, is_starred=chosen.is_starred)))
    if chosen.version_at is not None:
        rows = rows.where(known_by(end_of_day(chosen.version_at)))
    return rows


def records(session: Session, chosen: PostFilter = EVERY_POST) -> Iterator[Record]:
    """Stream posts as records: newest day first, then newest push, within it by position."""
    if chosen.version_at is not None:
        return _records_at(session, chosen, end_of_day(chosen.version_at))
    rows = select(Post.aid, Post.title, Post.url, Post.published_on, Post.account_name, Post.text)
    rows = filtered_posts(rows, chosen).order_by(*NEWEST_FIRST)
    stream = session.execute(rows, execution_options={"yield_per": STREAM_BATCH})
    return (Record(r[0], r[1], r[2], r[3].isoformat(), r[4], r[5]) for r in stream)


def _records_at(session: Session, chosen: PostFilter, at: datetime) -> Iterator[Record]:
    """Stream records with the titles and texts that the posts had at an instant."""
    rows = select(Post.id, Post.aid, Post.title, Post.url, Post.published_on, Post.account_name)
    rows = filtered_posts(rows, chosen).order_by(*NEWEST_FIRST)
    for batch in session.execute(rows, execution_options={"yield_per": STREAM_BATCH}).partitions():
        texts = texts_at(session, [row.id for row in batch], at)
        for post_id, aid, title, url, day, account in batch:
            then = texts.get(post_id)
            then_title, then_text = (then.title, then.text) if then else (title, "")
            yield Record(aid, then_title, url, day.isoformat(), account, then_text)


def count_at_most(session: Session, chosen: PostFilter, limit: int | None) -> int:
    """Count the posts of a filter up to a limit; all of them where it is None."""
    some = filtered_posts(select(Post.id), chosen).limit(limit).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def posts(session: Session, chosen: PostFilter = EVERY_POST) -> Iterator[Post]:
    """Stream posts with their HTML in the same order, one at a time in memory."""
    ids = session.scalars(filtered_posts(select(Post.id), chosen).order_by(*NEWEST_FIRST)).all()
    return (session.get_one(Post, post_id) for post_id in ids)


NEWEST_FIRST = (Post.published_on.desc(), Post.mid.desc(), Post.idx, Account.biz)


def record_of(post: Post, text: str | None = None) -> Record:
    """Return a post as a record of the dump, with another text than its own if one is given."""
    day = post.published_on.isoformat()
    text = post.text if text is None else text
    return Record(post.aid, post.title, post.url, day, post.account_name, text)


def find_posts(session: Session, aid: str, biz: str | None = None) -> list[Post]:
    """Return the posts with this aid, one per account; with `biz` only that account's."""
    rows = _NAMED if biz is None else _NAMED_OF_ACCOUNT
    return list(session.scalars(rows, {"aid": aid, "biz": biz}))


_NAMED = (
    select(Post)
    .join(Account, Account.id == Post.account_id)
    .where(Post.aid == bindparam("aid"))
    .order_by(Account.biz)
)

_NAMED_OF_ACCOUNT = _NAMED.where(Account.biz == bindparam("biz"))


MOST_TEXT = 4 * 1024 * 1024  # bytes of text on a page; fifty usual posts have 1.5 MB, one may have 12 MB


def listed_posts(session: Session, post_ids: Sequence[int]) -> dict[int, Post]:
    """Return posts with facts, without their texts, by their ids; those that do not exist are left out."""
    rows = select(Post).where(Post.id.in_(post_ids))
    rows = rows.options(load_only(*_COLUMNS_BESIDE_TEXTS, raiseload=True))
    return {post.id: post for post in session.scalars(rows)}


TEXT_PIECE = 2**18  # characters of a long text that are read at once


def texts_of(session: Session, post_ids: Sequence[int]) -> Iterator[Iterator[str]]:
    """Yield the text of each post, in this order, in pieces of at most TEXT_PIECE characters."""
    for post_id in post_ids:
        yield _text_pieces(session, post_id)


def _text_pieces(session: Session, post_id: int) -> Iterator[str]:
    for start in count(1, TEXT_PIECE):
        rows = select(func.substr(Post.text, start, TEXT_PIECE)).where(Post.id == post_id)
        yield (piece := session.execute(rows).scalar_one())
        if len(piece) < TEXT_PIECE:
            return


_NUMBER = Annotated[int, Field(strict=True, ge=0, lt=2**63)]

_MINUTE = Annotated[int, Field(strict=True, ge=0, lt=2**31)]

_POSITION = TypeAdapter(tuple[date, _MINUTE, _NUMBER, _NUMBER, Annotated[str, Field(max_length=200)]])

_LISTED_COLUMNS = (
    Post.id, Post.aid, Post.mid, Post.idx, Post.title, Post.url, Post.published_on, Post.published_at,
    Post.account_name, Post.kind, Post.first_archived_at,
)  # fmt: skip

_COLUMNS_BESIDE_TEXTS = (
    *_LISTED_COLUMNS,
    Post.page_metadata,
)  # where texts are shown, so is what is missing of them


class CursorError(ArchiveError):
    """A cursor that this archive did not issue."""


@dataclass(frozen=True, slots=True)
class PostPosition:
    """The position of a post in the list. `published_on` is a date in Asia/Shanghai, `minute` since 1970."""

    published_on: date
    minute: int
    mid: int
    idx: int
    biz: str

    def cursor(self) -> str:
        """Return the position as an opaque cursor for a URL."""
        day = self.published_on.isoformat()
        return pagination.encode_cursor([day, self.minute, self.mid, self.idx, self.biz])


def position_of(cursor: str) -> PostPosition:
    """Return the position that a cursor stands for. Raises CursorError."""
    try:
        position = PostPosition(*_POSITION.validate_python(pagination.decode_cursor(cursor)))
    except (ValueError, RecursionError):  # pydantic's error is one of the first
        raise CursorError("archive.cursor.unknown") from None
    return position


_other = aliased(Version)

_is_other_text = (_other.source != REPARSE) & (_other.content_hash != Version.content_hash)

_has_other_text = exists().where(_other.post_id == Version.post_id, _is_other_text).correlate(Version)

# An older page with the same text, imported later, is a version too, but no edit.
IS_EDIT = (Version.number > 1, Version.source != REPARSE, _has_other_text)


def has_mark(post_id: ColumnElement[int] | InstrumentedAttribute[int], mark: PostMark) -> ColumnElement[bool]:
    """Select the posts, by a column that has their ids, that carry a mark."""
    edits = select(Version.id).where(Version.post_id == post_id, *IS_EDIT).exists()
    absences = select(Absence.id).where(Absence.post_id == post_id)
    lasting = absences.where(Absence.returned_at.is_(None)).exists()
    match mark:
        case PostMark.EDITED:
            return edits
        case PostMark.REMOVED:
            return lasting
        case PostMark.RESTORED:
            return absences.exists() & ~lasting
        case PostMark.ANY:
            return edits | absences.exists()


def marks_of(
    session: Session, post_ids: Sequence[int], at: datetime | None = None
) -> dict[int, list[PostMark]]:
    """Return the marks of these posts, by post id, now or at an instant; posts without any are left out."""
    marks: dict[int, list[PostMark]] = {}
    edited = select(Version.post_id).where(Version.post_id.in_(post_ids), *IS_EDIT).distinct()
    missing: ColumnElement[bool] = Absence.post_id.in_(post_ids)
    lasts: ColumnElement[bool] = Absence.returned_at.is_(None)
    if at is not None:
        edited = edited.outerjoin(Capture, Capture.id == Version.capture_id).where(is_dated_by(at))
        missing &= Absence.first_missing_at <= at
        lasts = func.coalesce(Absence.returned_at > at, True)
    for post_id in session.scalars(edited):
        marks.setdefault(post_id, []).append(PostMark.EDITED)
    away = select(Absence.post_id, func.bool_or(lasts)).where(missing).group_by(Absence.post_id)
    for post_id, is_away in session.execute(away):
        marks.setdefault(post_id, []).append(PostMark.REMOVED if is_away else PostMark.RESTORED)
    return marks


# Of a post of a dump only the day is known: noon in Asia/Shanghai stands for the instant.
NOON = func.timezone("Asia/Shanghai", Post.published_on + text("interval '12 hours'"))

PUBLISHED_AT = func.coalesce(Post.published_at, NOON)

NOON_TIME = time(12)

_published_in = func.date_trunc("minute", PUBLISHED_AT)  # the posts of a push have the same minute

_LATEST_FIRST = (Post.published_on.desc(), _published_in.desc(), Post.mid.desc(), Post.idx, Account.biz)


@dataclass(frozen=True, slots=True)
class PostWithoutText:
    """A post as lists show it. `published_on` is a date in Asia/Shanghai, instants are UTC."""

    id: int
    aid: str
    mid: int
    idx: int
    title: str
    url: str
    published_on: date
    published_at: datetime | None
    account_name: str
    kind: str | None
    first_archived_at: datetime


AnyPost = TypeVar("AnyPost", Post, PostWithoutText)


@dataclass(frozen=True, slots=True)
class Page(Generic[AnyPost]):
    """Some posts, each with its account's biz, and the cursor of the next page; None on the last page."""

    posts: Sequence[tuple[AnyPost, str]]
    next: str | None


def page(
    session: Session,
    chosen: PostFilter,
    after: str | None,
    limit: int,
    *,
    within_text_limit: bool = False,
) -> Page[Post]:
    """Return at most `limit` posts after a cursor, without their texts. Raises CursorError.

    The newest day comes first, and of a day what was published last.

    `within_text_limit` is for callers that read the texts next: it returns fewer posts where these have more
    than MOST_TEXT bytes, and loads their facts.
    """
    rows = filtered_posts(select(Post, Account.biz), chosen)
    columns = _COLUMNS_BESIDE_TEXTS if within_text_limit else _LISTED_COLUMNS
    rows = rows.options(load_only(*columns, raiseload=True))
    if after is not None:
        rows = rows.where(_is_after(position_of(after)))
    if within_text_limit:
        limit = _fitting(session, rows.order_by(*_LATEST_FIRST).limit(limit))
    rows = rows.order_by(*_LATEST_FIRST).limit(limit + 1)
    return _page([(post, biz) for post, biz in session.execute(rows)], limit)


def listed_page(session: Session, chosen: PostFilter, after: str | None, limit: int) -> Page[PostWithoutText]:
    """Do as `page`, in a third of the time: entities of the ORM cost more than the rest of a list."""
    rows: Select[*tuple[Any, ...]] = filtered_posts(select(*_LISTED_COLUMNS, Account.biz), chosen)
    if after is not None:
        rows = rows.where(_is_after(position_of(after)))
    rows = rows.order_by(*_LATEST_FIRST).limit(limit + 1)
    return _page([(PostWithoutText(*row[:-1]), row[-1]) for row in session.execute(rows)], limit)


def _page(found: Sequence[tuple[AnyPost, str]], limit: int) -> Page[AnyPost]:
    """Return the page of these posts; one more than the limit says that another page follows."""
    following = position_at(*found[limit - 1]).cursor() if len(found) > limit else None
    return Page(found[:limit], following)


def _fitting(session: Session, rows: Select[Post, str]) -> int:
    """Return how many of these posts fit into a page with their texts."""
    return fitting(list(session.scalars(rows.with_only_columns(func.octet_length(Post.text)))))


def fitting(sizes: Sequence[int]) -> int:
    """Return how many texts of these sizes (bytes), from the first on, a page holds; at least one."""
    return max(1, sum(total <= MOST_TEXT for total in accumulate(sizes)))


def count_fitting(session: Session, ids: Sequence[int]) -> int:
    """Return how many of these posts, from the first on, a page holds with their texts; at least one."""
    rows = select(Post.id, func.octet_length(Post.text)).where(Post.id.in_(ids))
    sizes = {number: size for number, size in session.execute(rows)}
    return fitting([sizes[number] for number in ids])


def position_at(post: Post | PostWithoutText, biz: str) -> PostPosition:
    """Return the position of a post of an account."""
    at = post.published_at or datetime.combine(post.published_on, NOON_TIME, SHANGHAI)
    return PostPosition(post.published_on, max(int(at.timestamp() // 60), 0), post.mid, post.idx, biz)


def _is_after(position: PostPosition) -> ColumnElement[bool]:
    minute = datetime.fromtimestamp(position.minute * 60, UTC)
    same_minute = and_(Post.published_on == position.published_on, _published_in == minute)
    same_push = and_(same_minute, Post.mid == position.mid)
    return or_(
        Post.published_on < position.published_on,
        and_(Post.published_on == position.published_on, _published_in < minute),
        and_(same_minute, Post.mid < position.mid),
        and_(same_push, Post.idx > position.idx),
        and_(same_push, Post.idx == position.idx, Account.biz > storable(position.biz)),
    )


# Of a post for which archive.domain.parsed_page.is_preview holds.
IS_PREVIEW = func.coalesce(Post.page_metadata["preview"].astext, Post.page_metadata["paid"].astext) == "true"


def count_previews(session: Session, chosen: PostFilter = EVERY_POST) -> int:
    """Count the paid posts of a filter of which only the free preview is stored."""
    rows = filtered_posts(select(func.count(Post.id)), chosen).where(IS_PREVIEW)
    return session.scalar(rows) or 0


IS_ITS_ADDRESS = (Address.account_id == Post.account_id) & (Address.aid == Post.aid)

# Of captures: months in ids are those of the clock, which may have been wrong; serial numbers only rise.
STORED_ORDER = Capture.id % SERIALS

IS_ITS_RESULT = (ParseResult.capture_id == Capture.id) & ParseResult.is_current
