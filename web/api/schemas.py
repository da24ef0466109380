"""Parameters and answers of the API, field by field. Instants are UTC, dates are of Asia/Shanghai."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from archive.domain.messages import Message
from archive.domain.outcomes import ChangeKind, PostMark
from web.errors import first_day, last_day

BizParam = Annotated[str, Path(pattern=r"^[A-Za-z0-9+/=_-]{1,64}$", description="__biz of the account")]

AidParam = Annotated[str, Path(pattern=r"^[0-9]{1,18}_[0-9]{1,3}$", description="mid_idx of the post")]

NumberParam = Annotated[int, Path(ge=1, lt=2**63)]

AccountParam = Annotated[str | None, Query(max_length=200, description="Name or __biz")]

SinceParam = Annotated[
    date | None,
    BeforeValidator(first_day),
    Query(description="First day in Asia/Shanghai, included; also 2025-11, 2025 or 2025-W45"),
]

UntilParam = Annotated[
    date | None, BeforeValidator(last_day), Query(description="Last day, included, in the same forms")
]

CursorParam = Annotated[str | None, Query(max_length=500, description="Cursor of the page before")]


ChangeKindsParam = Annotated[
    frozenset[ChangeKind], Query(description="What happened; may be repeated. All kinds if omitted")
]

MarkParam = Annotated[
    PostMark | None, Query(alias="changed", description="Only posts that changed since they were archived")
]


def _english(value: Any) -> Any:
    """Return the English words of a message, or of a text column that may hold one."""
    return str(Message.load(value) if isinstance(value, str) else value)


EnglishText = Annotated[str, BeforeValidator(_english)]


class Shape(BaseModel):
    """A shape that is made from the archive's own objects."""

    model_config = ConfigDict(from_attributes=True)


class AccountShape(Shape):
    """An account that has posts or sources."""

    biz: str
    name: str
    posts: int
    first: date | None
    last: date | None
    with_page: int = Field(description="posts whose page is archived too")


class Accounts(BaseModel):
    """All accounts of the archive."""

    accounts: list[AccountShape]


class PostInList(Shape):
    """A post, without its text."""

    biz: str
    aid: str
    title: str
    account_name: str
    url: str
    published_on: date
    published_at: datetime | None
    kind: str | None
    first_archived_at: datetime


class PostPage(BaseModel):
    """Some posts, newest first; `next` is the cursor of the next page, null at the end."""

    posts: list[PostInList]
    next: str | None


class DumpRecord(BaseModel):
    """A post as the dump has it: six fields in their order."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    aid: str = Field(alias="文章标识符aid")
    title: str = Field(alias="标题title")
    url: str = Field(alias="链接url")
    date: str = Field(alias="时间time")
    account: str = Field(alias="公众号名称")
    text: str = Field(alias="finalContent")


class FileShape(Shape):
    """A stored file; it is served at /files/<sha256>."""

    sha256: str
    size: int
    media_type: str
    width: int | None
    height: int | None


class MediumShape(Shape):
    """An image, audio or video of a post."""

    role: str
    position: int
    type: str
    key: str
    url: str
    facts: dict[str, Any]
    file: FileShape | None
    last_outcome: str | None
    last_reason: EnglishText


class LinkShape(Shape):
    """A link of a post."""

    relation: str
    position: int
    key: str
    url: str
    text: str
    facts: dict[str, Any]


class VersionShape(Shape):
    """A state of a post's text, without it.

    `number` names it and never changes; `place` is its place by `at`, which dates it by its evidence: the
    time of its page. `dated_by` is file where that is the time of a saved file, recorded where there is only
    the time at which it was recorded.
    """

    number: int
    place: int
    title: str
    content_hash: str
    source: str
    parser_version: int | None
    capture_id: int | None
    at: datetime
    dated_by: str
    recorded_at: datetime


class WholeVersion(VersionShape):
    """A state of a post's text."""

    text: str


class AbsenceShape(Shape):
    """A time during which a post was unavailable."""

    outcome: str
    reason: EnglishText
    last_seen_at: datetime | None
    first_missing_at: datetime
    last_missing_at: datetime
    returned_at: datetime | None


class ChangeShape(Shape):
    """A change of a post; `at` is when the page that shows it was fetched. Texts are of the post then."""

    kind: ChangeKind
    at: datetime
    biz: str
    aid: str
    account: str
    title: str
    url: str
    published_on: date
    version: int | None = Field(description="of new and edited posts")
    previous_version: int | None
    previous_title: str | None
    characters: int | None
    previous_characters: int | None
    source: str | None
    outcome: str | None = Field(description="of removed and restored posts")
    reason: EnglishText | None
    last_seen_at: datetime | None
    missing_since: datetime | None
    capture_id: int | None


class ChangePageShape(BaseModel):
    """Some changes, newest first; `next` is the cursor of the next page, null at the end."""

    changes: list[ChangeShape]
    next: str | None


class CaptureShape(Shape):
    """One answer of the server; its bytes are at /api/v1/captures/<id>/body."""

    id: int
    requested_url: str
    final_url: str
    status: int
    fetched_at: datetime
    body_size: int
    sha256: str
    rendered: bool
    outcome: str | None
    reason: EnglishText


class WholePost(PostInList):
    """A post with everything that is known of it."""

    text: str
    facts: dict[str, Any]
    media: list[MediumShape]
    links: list[LinkShape]
    versions: list[VersionShape]
    absences: list[AbsenceShape]
    captures: list[CaptureShape]


class PieceShape(Shape):
    """A piece of text that both versions have (same), or only one of them (added, removed)."""

    kind: str
    text: str


class Differences(BaseModel):
    """What changed between two versions, in title and text."""

    before: int
    after: int
    title: list[PieceShape]
    text: list[PieceShape]


class IncidentShape(Shape):
    """A problem, from its beginning to its end."""

    key: str
    words: EnglishText
    remedy: EnglishText
    opened_at: datetime
    last_seen_at: datetime
    closed_at: datetime | None


class SourceShape(Shape):
    """A source of an account's new posts, and how it fares."""

    biz: str
    name: str
    state: str | None
    detail: EnglishText
    failures: int
    seen: int
    new: int
    newest_at: datetime | None
    last_tried_at: datetime | None
    last_good_at: datetime | None
    next_try_at: datetime | None


class StatusShape(BaseModel):
    """How much there is, what is due, what is wrong, and how sources fare."""

    posts: int
    versions: int
    captures: int
    captures_by_outcome: dict[str, int]
    body_bytes: int
    stored_bytes: int
    due: int
    waiting: int
    given_up: int
    bare_waiting: int
    bare_next_at: datetime | None
    other_posts: int
    unread: int
    media: dict[str, dict[str, int]]
    incidents: list[IncidentShape]
    sources: list[SourceShape]


class ChainHeadShape(Shape):
    """The end of one account's hash chain."""

    biz: str = Field(description="the account; empty for addresses that do not tell theirs")
    length: int
    digest: str


class ArchiveHeadShape(BaseModel):
    """The last recorded head of the archive; `digest` is the SHA-256 of the file of these heads."""

    taken_at: datetime | None
    digest: str | None
    heads: list[ChainHeadShape]
