"""Select the captures and media files of posts of an account and of days, and what is stored of each."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Row, Select, Text, any_, func, literal, or_, select, true
from sqlalchemy.orm import Session

from archive.db.models import (
    Account,
    Address,
    Capture,
    File,
    Medium,
    ParseResult,
    Post,
    PostMedium,
)
from archive.domain.outcomes import MediumType
from archive.repository.post_queries import (
    IS_ITS_ADDRESS,
    IS_ITS_RESULT,
    NEWEST_FIRST,
    STORED_ORDER,
    STREAM_BATCH,
    PostFilter,
    filtered_posts,
)

_BATCH = 50  # captures in memory without bodies; a rendered page's values have up to a few MB


@dataclass(frozen=True, slots=True)
class Selection(PostFilter):
    """A filter of posts that says in English what it selects."""

    def __str__(self) -> str:
        parts = (
            f"of {self.account}" if self.account else "",
            f"of kind {self.kind}" if self.kind else "",
            f"from {self.since}" if self.since else "",
            f"to {self.until}" if self.until else "",
            f"with the mark {self.mark}" if self.mark else "",
            f"found by {self.query}" if self.query else "",
            f"as of {self.version_at}" if self.version_at else "",
        )
        return " ".join(filter(None, parts)) or "all"


@dataclass(frozen=True, slots=True)
class SelectedCapture:
    """What is stored of a capture besides its body. Instants are UTC.

    `first_id` and `first_fetched_at` are of the first capture of the same bytes from the same address; where
    it is the first, its own.
    """

    id: int
    requested_url: str
    final_url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    sha256: bytes
    fetched_at: datetime
    rendered: bool
    evaluated: dict[str, Any] | None
    outcome: str | None
    reason: str
    parser_version: int | None
    aid: str | None
    expected_biz: str | None
    kind: str | None
    first_id: int
    first_fetched_at: datetime


@dataclass(frozen=True, slots=True)
class SelectedMedium:
    """A stored media file at one of its URLs; `key` is its key in the archive, `stored_at` is UTC."""

    key: str
    url: str
    media_type: str
    path: str
    sha256: bytes
    stored_at: datetime


def count_captures(session: Session, chosen: Selection) -> tuple[int, datetime | None]:
    """Count the selected captures; return also when the last of them was fetched (UTC)."""
    rows = select(func.count(), func.max(Capture.fetched_at)).where(_belongs(chosen))
    count, latest = session.execute(rows).one()
    return count, latest


def selected_captures(session: Session, chosen: Selection) -> Iterator[list[SelectedCapture]]:
    """Yield the selected captures of every outcome in batches, in the order they were stored."""
    same = (Capture.requested_url, Capture.sha256, Capture.status, Capture.rendered)
    first = func.first_value(Capture.id).over(partition_by=same, order_by=STORED_ORDER)
    rows = session.execute(select(Capture.id, first).where(_belongs(chosen)).order_by(STORED_ORDER))
    ids = rows.all()
    for start in range(0, len(ids), _BATCH):
        yield _load(session, ids[start : start + _BATCH])


def _load(session: Session, batch: Sequence[Row[int, int]]) -> list[SelectedCapture]:
    firsts = {number: first for number, first in batch}
    times = select(Capture.id, Capture.fetched_at).where(Capture.id.in_(firsts.values()))
    fetched = {number: at for number, at in session.execute(times)}
    rows = session.execute(_metadata_rows(list(firsts)))
    return [_selected(row, firsts[row.id], fetched[firsts[row.id]]) for row in rows]


def _metadata_rows(ids: list[int]) -> Select[Any]:
    rows = select(
        Capture.id, Capture.requested_url, Capture.final_url, Capture.status, Capture.headers,
        Capture.sha256, Capture.fetched_at, Capture.rendered, Capture.evaluated,
        ParseResult.outcome, func.coalesce(ParseResult.reason, "").label("reason"),
        ParseResult.parser_version, Address.aid,
        Address.expected_biz, Post.kind,
    )  # fmt: skip
    rows = rows.outerjoin(Address, Address.id == Capture.address_id).outerjoin(Post, IS_ITS_ADDRESS)
    rows = rows.outerjoin(ParseResult, IS_ITS_RESULT)
    return rows.where(Capture.id.in_(ids)).order_by(STORED_ORDER)


def _selected(row: Row[Any], first_id: int, first_fetched_at: datetime) -> SelectedCapture:
    values = dict(row._mapping)
    values["headers"] = tuple((name, value) for name, value in row.headers)
    return SelectedCapture(**values, first_id=first_id, first_fetched_at=first_fetched_at)


def _belongs(chosen: Selection) -> ColumnElement[bool]:
    """Select captures of the chosen posts; of a whole account also those that never became a post."""
    if chosen == Selection():
        return true()
    posts = _posts(chosen)
    addresses = select(Address.id).join(Post, IS_ITS_ADDRESS).where(Post.id.in_(posts))
    belongs = [
        Capture.address_id.in_(addresses),
        Capture.id.in_(select(Post.capture_id).where(Post.id.in_(posts))),
    ]
    if chosen == Selection(chosen.account):
        belongs.append(Capture.address_id.in_(_addresses_of(chosen.account or "")))
    return or_(*belongs)


def _posts(chosen: Selection) -> Select[int]:
    return filtered_posts(select(Post.id), chosen)


def _addresses_of(account: str) -> Select[int]:
    is_meant = (Account.biz == account) | (Account.name == account)
    is_its = (Address.account_id == Account.id) | (Address.biz == Account.biz)
    return select(Address.id).join(Account, is_its).where(is_meant)


def selected_media(
    session: Session, chosen: Selection, style_sheets: Collection[str] = ()
) -> Iterator[SelectedMedium]:
    """Stream the stored media files that the chosen posts show or showed, one per URL.

    `style_sheets` are the addresses of those to be streamed as well; of the whole archive all are.
    Ordered by key: their ids depend on which pages were parsed together.
    """
    rows = select(
        Medium.key,
        Medium.url,
        File.media_type,
        File.path,
        File.sha256,
        File.first_stored_at,
    ).join(File, File.id == Medium.file_id)
    rows = rows.where(Medium.url.startswith("http"))
    if chosen != Selection():
        shown = select(PostMedium.medium_id).where(PostMedium.post_id.in_(_posts(chosen)))
        is_sheet = (Medium.type == MediumType.STYLE) & (
            Medium.key == any_(literal(list(style_sheets), ARRAY(Text)))
        )
        rows = rows.where(Medium.id.in_(shown) | is_sheet)
    stream = session.execute(rows.order_by(Medium.key.collate("C")), execution_options={"yield_per": 1000})
    return (SelectedMedium(*row) for row in stream)


@dataclass(frozen=True, slots=True)
class PostWithPage:
    """A post that has a page, and the URL and the instant (UTC) of the page's capture."""

    id: int
    biz: str
    aid: str
    title: str
    text: str
    day: date
    captured_url: str
    captured_at: datetime


def posts_with_pages(session: Session, chosen: Selection) -> Iterator[PostWithPage]:
    """Stream the posts that have a page, newest first."""
    rows = select(
        Post.id, Account.biz, Post.aid, Post.title, Post.text, Post.published_on,
        Capture.requested_url, Capture.fetched_at,
    )  # fmt: skip
    rows = filtered_posts(rows, chosen).join(Capture, Capture.id == Post.capture_id)
    rows = rows.order_by(*NEWEST_FIRST)
    for row in session.execute(rows, execution_options={"yield_per": STREAM_BATCH}):
        yield PostWithPage(*row)
