"""List the posts that a filter selects, and count them by day, week, month, account or kind."""

from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from functools import cache
from threading import Lock
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Row,
    Select,
    Text,
    bindparam,
    case,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.orm import Session

from archive.db.models import Absence, Account, File, Medium, Post, PostMedium, ReaderNote, Version
from archive.domain.outcomes import PostCount, PostMark, PostOrder, Role
from archive.domain.text import unescape
from archive.repository.media import StoredFile
from archive.repository.notes import Note
from archive.repository.post_queries import (
    IS_EDIT,
    NEWEST_FIRST,
    STREAM_BATCH,
    PostFilter,
    filtered_posts,
    marks_of,
)
from archive.repository.versions import end_of_day, texts_at

LIST_BATCH = 500  # posts loaded at a time while they are streamed: without texts, 1 MB at most

_ORDERS: dict[PostOrder, tuple[Any, ...]] = {
    PostOrder.NEWEST: NEWEST_FIRST,
    PostOrder.OLDEST: (Post.published_on, Post.mid, Post.idx, Account.biz),
    PostOrder.ARCHIVED: (Post.first_archived_at.desc(), Post.id.desc()),
    PostOrder.TITLE: (Post.title, Post.id),
}


@dataclass(frozen=True, slots=True)
class PostListItem:
    """A post of the list, without its text; `published_on` is a date in Asia/Shanghai, instants are UTC."""

    biz: str
    aid: str
    account: str
    title: str
    url: str
    published_on: date
    published_at: datetime | None
    kind: str | None
    first_archived_at: datetime
    marks: tuple[PostMark, ...]


def list_posts(session: Session, chosen: PostFilter, order: PostOrder) -> Iterator[PostListItem]:
    """Stream the posts of a filter in an order, LIST_BATCH at a time in memory."""
    for batch in _batches(session, chosen, order, LIST_BATCH):
        yield from (item for _, item in batch)


@dataclass(frozen=True, slots=True)
class PostRow(PostListItem):
    """A post of the list with its text."""

    text: str


def covers(
    session: Session, post_ids: Collection[int], roles: Sequence[Role] = (Role.COVER,)
) -> dict[int, StoredFile]:
    """Return the stored covers of posts by post id, as their current pages have them.

    With several roles it is the first image of the first of them of which one is stored.
    """
    rows = (
        select(PostMedium.post_id, File)
        .join(Post, (Post.id == PostMedium.post_id) & (Post.capture_id == PostMedium.capture_id))
        .join(Medium, Medium.id == PostMedium.medium_id)
        .join(File, File.id == Medium.file_id)
        .where(PostMedium.post_id.in_(post_ids), PostMedium.role.in_(roles))
        .order_by(PostMedium.position.desc(), PostMedium.id.desc())
        .with_only_columns(PostMedium.post_id, File, PostMedium.role)
    )
    found = sorted(session.execute(rows), key=lambda row: roles.index(Role(row[2])), reverse=True)
    return {post_id: stored for post_id, file, _ in found if (stored := StoredFile.of(file))}


@dataclass(frozen=True, slots=True)
class Card:
    """What a list shows of a post beside its title: digest, characters, images, marks, note and cover."""

    digest: str
    characters: int
    images: int
    marks: tuple[PostMark, ...]
    note: Note | None
    cover: StoredFile | None


def cards_of(session: Session, post_ids: Collection[int]) -> dict[int, Card]:
    """Return what lists show of these posts, by their ids."""
    if not post_ids:
        return {}
    known = {post_id: _lengths.get(post_id, _NO_LENGTH) for post_id in post_ids}
    values = {"ids": list(known), "hashes": [content_hash for content_hash, _ in known.values()]}
    cards = {}
    for post_id, content_hash, counted, *others in session.execute(_card_rows(), values):
        if counted is not None:
            _remember(post_id, content_hash, counted)
        cards[post_id] = _card(known[post_id][1] if counted is None else counted, *others)
    return cards


MAX_LENGTHS = 20_000  # of posts; they take 4 MB

_NO_LENGTH = ("", 0)

# The hash of title and text of posts, and how many characters the text has, by their ids. To count them
# Postgres unpacks every text, which is most of its work for a list.
_lengths: OrderedDict[int, tuple[str, int]] = OrderedDict()

_changing = Lock()


def _remember(post_id: int, content_hash: str, length: int) -> None:
    with _changing:
        _lengths[post_id] = content_hash, length
        while len(_lengths) > MAX_LENGTHS:
            _lengths.popitem(last=False)


@cache
def _card_rows() -> Select[*tuple[Any, ...]]:
    """Build the statement once: each further one would take as long as ten of these posts."""
    shown = (PostMedium.post_id == Post.id) & (PostMedium.capture_id == Post.capture_id)
    images = select(func.count()).where(shown, PostMedium.role == Role.IMAGE).scalar_subquery()
    edits = select(Version.id).where(Version.post_id == Post.id, *IS_EDIT).exists()
    is_away = select(func.bool_or(Absence.returned_at.is_(None))).where(Absence.post_id == Post.id)
    cover = select(*_FILE_COLUMNS).join(Medium, Medium.file_id == File.id)
    cover = cover.join(PostMedium, PostMedium.medium_id == Medium.id)
    cover = cover.where(shown, PostMedium.role == Role.COVER)
    first = cover.order_by(PostMedium.position, PostMedium.id).limit(1).lateral()
    note = (ReaderNote.is_starred, ReaderNote.tags, ReaderNote.note, ReaderNote.changed_at)
    ids, hashes = bindparam("ids", type_=ARRAY(BigInteger)), bindparam("hashes", type_=ARRAY(Text))
    wanted = func.unnest(ids, hashes).table_valued("id", "hash").render_derived("wanted")
    rows = select(
        Post.id,
        Post.content_hash,
        case((Post.content_hash != wanted.c.hash, func.char_length(Post.text))),
        Post.page_metadata["digest"].astext.label("digest"),
        images.label("images"),
        edits.label("is_edited"),
        is_away.scalar_subquery().label("is_away"),
        *note,
        *first.c,
    )
    rows = rows.select_from(wanted).join(Post, Post.id == wanted.c.id)
    return rows.outerjoin(ReaderNote, ReaderNote.post_id == Post.id).outerjoin(first, true())


_FILE_COLUMNS = (File.sha256, File.size, File.media_type, File.width, File.height, File.path)


def _card(
    characters: int,
    digest: str | None,
    images: int,
    is_edited: bool,
    is_away: bool | None,
    *others: Any,
) -> Card:
    marks = (PostMark.EDITED,) if is_edited else ()
    if is_away is not None:
        marks = (*marks, PostMark.REMOVED if is_away else PostMark.RESTORED)
    starred, tags, words, changed_at = others[:4]
    note = None if starred is None else Note(starred, tuple(tags), words, changed_at)
    cover = None if others[4] is None else StoredFile(*others[4:])
    return Card(" ".join(unescape(digest or "").split()), characters, images, marks, note, cover)


def whole_posts(
    session: Session, chosen: PostFilter, order: PostOrder = PostOrder.NEWEST
) -> Iterator[list[tuple[int, PostRow]]]:
    """Stream the posts of a filter with their ids and texts, in batches of at most STREAM_BATCH.

    With `chosen.version_at` titles, texts and marks are those of the end of that day.
    """
    if chosen.version_at is not None:
        yield from _whole_posts_at(session, chosen, order, end_of_day(chosen.version_at))
        return
    for batch in _batches(session, chosen, order, STREAM_BATCH):
        rows = select(Post.id, Post.text).where(Post.id.in_([post_id for post_id, _ in batch]))
        texts = {post_id: text for post_id, text in session.execute(rows)}
        yield [
            (post_id, PostRow(**_values(item), text=texts[post_id]))
            for post_id, item in batch
            if post_id in texts  # the others were forgotten meanwhile
        ]


def _whole_posts_at(
    session: Session, chosen: PostFilter, order: PostOrder, at: datetime
) -> Iterator[list[tuple[int, PostRow]]]:
    for batch in _batches(session, chosen, order, STREAM_BATCH):
        post_ids = [post_id for post_id, _ in batch]
        texts, marks = texts_at(session, post_ids, at), marks_of(session, post_ids, at)
        rows = []
        for post_id, item in batch:
            then, values = texts.get(post_id), _values(item) | {"marks": tuple(marks.get(post_id, ()))}
            values["title"] = then.title if then else item.title
            rows.append((post_id, PostRow(**values, text=then.text if then else "")))
        yield rows


def whole_post(session: Session, post: Post) -> PostRow:
    """Return a post as `whole_posts` does."""
    only = PostFilter(ids=select(Post.id).where(Post.id == post.id))
    ((_, row),) = next(whole_posts(session, only))
    return row


def _values(item: PostListItem) -> dict[str, Any]:
    return {one.name: getattr(item, one.name) for one in fields(PostListItem)}


def _batches(
    session: Session, chosen: PostFilter, order: PostOrder, size: int
) -> Iterator[list[tuple[int, PostListItem]]]:
    rows = select(
        Post.id,
        Account.biz,
        Post.aid,
        Post.account_name.label("account"),
        Post.title,
        Post.url,
        Post.published_on,
        Post.published_at,
        Post.kind,
        Post.first_archived_at,
    )
    rows = filtered_posts(rows, chosen).order_by(*_ORDERS[order])
    for batch in session.execute(rows, execution_options={"yield_per": size}).partitions():
        marks = marks_of(session, [row.id for row in batch])
        yield [
            (row.id, PostListItem(marks=tuple(marks.get(row.id, ())), **_without_id(row))) for row in batch
        ]


def _without_id(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name != "id"}


@dataclass(frozen=True, slots=True)
class PostTotal:
    """How many posts have one value: a day, week (2025-W45), month, kind, or account with its biz.

    The value is None for posts whose kind is not known yet.
    """

    value: str | None
    posts: int
    biz: str | None = None


# The formats stand in the statement itself: as parameters they would differ between SELECT and GROUP BY.
_VALUES: dict[PostCount, Any] = {
    PostCount.DAY: func.to_char(Post.published_on, literal_column("'YYYY-MM-DD'")),
    PostCount.WEEK: func.to_char(Post.published_on, literal_column("'IYYY-\"W\"IW'")),
    PostCount.MONTH: func.to_char(Post.published_on, literal_column("'YYYY-MM'")),
    PostCount.KIND: Post.kind,
}


def count_posts(session: Session, chosen: PostFilter, by: PostCount, order: PostOrder) -> list[PostTotal]:
    """Count the posts of a filter: days, weeks and months in their order, else the most frequent first.

    Days, weeks and months without posts are left out; they are oldest first by PostOrder.OLDEST, else newest.
    """
    count = func.count()
    if by is PostCount.ACCOUNT:
        by_account = filtered_posts(select(Account.name, count, Account.biz).select_from(Post), chosen)
        by_account = by_account.group_by(Account.id).order_by(count.desc(), Account.biz)
        return [PostTotal(*row) for row in session.execute(by_account)]
    value = _VALUES[by]
    sort: list[ColumnElement[Any]] = [value if order is PostOrder.OLDEST else value.desc()]
    if by is PostCount.KIND:
        sort = [count.desc(), value]
    rows = filtered_posts(select(value, count), chosen).group_by(value).order_by(*sort)
    return [PostTotal(*row) for row in session.execute(rows)]
