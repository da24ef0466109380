"""Every read of the archive."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, defer

from archive.address import parse_address
from archive.bodies import body_of
from archive.capture import Capture
from archive.errors import NotArchived
from archive.media.queries import media_numbers
from archive.models import Account, AddressRow, CaptureRow, Post, Run, SightingRow, Version
from archive.record import Record
from archive.vocabulary import Outcome
from archive.work_list import NO_ANSWER, NOT_DRAWN

Rows = TypeVar("Rows", bound="Select[*tuple[Any, ...]]")
STREAMED = 200  # rows a fetch of the streaming reads: about 1 MB of posts
UNREAD_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class DueAddress:
    """An address to fetch now."""

    id: int
    key: str
    fetch_url: str


@dataclass(frozen=True)
class Status:
    """How much there is and what waits. Instants are UTC."""

    accounts: list[dict[str, Any]] = field(default_factory=list)
    posts: int = 0
    versions: int = 0
    captures: int = 0
    captures_by_outcome: dict[str, int] = field(default_factory=dict)
    body_bytes: int = 0
    stored_bytes: int = 0
    due: int = 0
    waiting: int = 0
    given_up: int = 0
    unread: int = 0
    media: dict[str, dict[str, int]] = field(default_factory=dict)
    last_runs: list[dict[str, Any]] = field(default_factory=list)


def due_addresses(session: Session, now: datetime, limit: int, run_id: int | None = None) -> list[DueAddress]:
    """Addresses whose time has come; `run_id`: only those seen in that run.

    Those that failed before come last: one that is answered with a challenge each time blocks no other.
    Short links come first: what they lead to may be the post of a long address that then need not be asked.
    """
    rows = select(AddressRow.id, AddressRow.key, AddressRow.url).where(AddressRow.next_fetch_at <= now)
    if run_id is not None:
        seen = select(SightingRow.address_id).where(SightingRow.run_id == run_id)
        rows = rows.where(AddressRow.id.in_(seen))
    rows = rows.order_by(
        AddressRow.attempts, AddressRow.aid.is_not(None), AddressRow.next_fetch_at, AddressRow.id
    ).limit(limit)
    return [
        DueAddress(number, key, parse_address(url).fetch_url) for number, key, url in session.execute(rows)
    ]


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
    chosen = [] if account is None else [_is_of(account)]
    chosen += [] if since is None else [Post.published_on >= since]
    chosen += [] if until is None else [Post.published_on <= until]
    return rows.join(Account, Account.id == Post.account_id).where(*chosen)


def account_names(session: Session) -> list[tuple[str, str]]:
    """Accounts that have posts: biz and name, by name."""
    rows = select(Account.biz, Account.name).where(Account.id.in_(select(Post.account_id)))
    return [(biz, name) for biz, name in session.execute(rows.order_by(Account.name, Account.biz))]


def account_of(session: Session, biz: str) -> Account:
    """The account of this biz. Raises NotArchived."""
    account = session.scalar(select(Account).where(Account.biz == biz))
    if account is None:
        raise NotArchived(f"there is no account {biz} in the archive")
    return account


def account_name(session: Session, account: str) -> str | None:
    """The name of the account of this biz or name."""
    rows = select(Account.name).where((Account.biz == account) | (Account.name == account))
    return session.scalar(rows.limit(1))


def has_account(session: Session, account: str) -> bool:
    """Whether any post is of an account of this name or biz."""
    rows = select(Post.id).join(Account, Account.id == Post.account_id)
    return session.scalar(rows.where(_is_of(account)).limit(1)) is not None


def _is_of(account: str) -> ColumnElement[bool]:
    """A post is of an account by its biz, by its name now, or by its name when the post was published."""
    return (Account.biz == account) | (Account.name == account) | (Post.account_name == account)


def record_of(post: Post) -> Record:
    """A post as the dump has it."""
    return Record(post.aid, post.title, post.url, post.published_on.isoformat(), post.account_name, post.text)


def find_posts(session: Session, aid: str, biz: str | None = None) -> list[Post]:
    """The posts of this aid: one an account."""
    rows = select(Post).join(Account, Account.id == Post.account_id).where(Post.aid == aid)
    if biz is not None:
        rows = rows.where(Account.biz == biz)
    return list(session.scalars(rows.order_by(Account.biz)))


def versions_of(session: Session, post: Post) -> list[Version]:
    """The states of a post's text, first to last."""
    return list(session.scalars(select(Version).where(Version.post_id == post.id).order_by(Version.number)))


def last_changes(session: Session, post_ids: Sequence[int]) -> dict[int, datetime]:
    """When the newest version of each post was recorded."""
    rows = select(Version.post_id, func.max(Version.recorded_at)).where(Version.post_id.in_(post_ids))
    return {post_id: recorded_at for post_id, recorded_at in session.execute(rows.group_by(Version.post_id))}


def captures_of(session: Session, post: Post) -> list[dict[str, Any]]:
    """The captures of a post without their bodies, last first."""
    wanted = select(AddressRow.id).where(AddressRow.account_id == post.account_id, AddressRow.aid == post.aid)
    told = select(Version.capture_id).where(Version.post_id == post.id)
    rows = select(*_CAPTURE_COLUMNS).where(
        CaptureRow.address_id.in_(wanted) | (CaptureRow.id == post.capture_id) | CaptureRow.id.in_(told)
    )
    return [dict(row) for row in session.execute(rows.order_by(CaptureRow.id.desc())).mappings()]


def capture_told(session: Session, capture_id: int) -> dict[str, Any]:
    """A capture without its body. Raises NotArchived when there is none."""
    row = session.execute(select(*_CAPTURE_COLUMNS).where(CaptureRow.id == capture_id)).mappings().first()
    if row is None:
        raise NotArchived(f"there is no capture {capture_id}")
    return dict(row)


_CAPTURE_COLUMNS = (
    CaptureRow.id, CaptureRow.outcome, CaptureRow.reason, CaptureRow.status, CaptureRow.fetched_at,
    CaptureRow.requested_url, CaptureRow.final_url, CaptureRow.body_size, CaptureRow.sha256,
    CaptureRow.rendered,
)  # fmt: skip


def capture(session: Session, capture_id: int) -> Capture:
    """A capture as it was kept; raises IntegrityError when its bytes are not those."""
    row = session.get_one(CaptureRow, capture_id, options=[defer(CaptureRow.body)])
    return Capture(
        requested_url=row.requested_url,
        final_url=row.final_url,
        status=row.status,
        headers=tuple((name, value) for name, value in row.headers),
        body=body_of(session, capture_id),
        fetched_at=row.fetched_at,
        rendered=row.rendered,
        evaluated=row.evaluated,
    )


def find_capture(
    session: Session, requested_url: str, sha256: bytes, fetched_at: datetime | None = None
) -> int | None:
    """The first capture of these very bytes from this address, if given at this instant."""
    rows = select(CaptureRow.id).where(CaptureRow.requested_url == requested_url, CaptureRow.sha256 == sha256)
    if fetched_at is not None:
        rows = rows.where(CaptureRow.fetched_at == fetched_at)
    return session.scalar(rows.order_by(CaptureRow.id).limit(1))


def capture_body(session: Session, capture_id: int) -> bytes:
    """The exact bytes of a capture; raises IntegrityError when it is damaged or there is none."""
    return body_of(session, capture_id)


def unread_captures(session: Session) -> list[int]:
    """Captures that were kept but not read, oldest first: whoever kept them was killed."""
    rows = select(CaptureRow.id).where(CaptureRow.outcome.is_(None)).order_by(CaptureRow.id)
    return list(session.scalars(rows.limit(UNREAD_AT_ONCE)))


def address_ids(session: Session, keys: Sequence[str]) -> set[int]:
    """The ids of addresses by their keys."""
    return set(session.scalars(select(AddressRow.id).where(AddressRow.key.in_(keys))))


def outcomes_of_run(session: Session, run_id: int) -> list[tuple[DueAddress, AddressRow]]:
    """The addresses a run saw, with where each stands now, in the order they came in."""
    seen = select(SightingRow.address_id).where(SightingRow.run_id == run_id)
    rows = session.scalars(select(AddressRow).where(AddressRow.id.in_(seen)).order_by(AddressRow.id))
    return [(DueAddress(row.id, row.key, row.url), row) for row in rows]


def archive_status(session: Session, now: datetime) -> Status:
    """How much there is, what waits and what was given up."""
    outcomes = select(func.coalesce(CaptureRow.outcome, "unread"), func.count()).group_by(CaptureRow.outcome)
    by_outcome = {outcome: count for outcome, count in session.execute(outcomes)}
    sizes = select(
        func.coalesce(func.sum(CaptureRow.body_size), 0),
        func.coalesce(func.sum(func.length(CaptureRow.body)), 0),
    )
    body_bytes, stored_bytes = session.execute(sizes).one()
    return Status(
        accounts=accounts(session),
        posts=_count(session, select(Post.id)),
        versions=_count(session, select(Version.id)),
        captures=sum(by_outcome.values()),
        captures_by_outcome=by_outcome,
        body_bytes=int(body_bytes),
        stored_bytes=int(stored_bytes),
        due=_count(session, select(AddressRow.id).where(AddressRow.next_fetch_at <= now)),
        waiting=_count(session, select(AddressRow.id).where(AddressRow.next_fetch_at > now)),
        given_up=_count(session, _given_up()),
        unread=by_outcome.get("unread", 0),
        media=media_numbers(session, now),
        last_runs=_last_runs(session),
    )


def _count(session: Session, rows: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(rows.subquery())) or 0


def _given_up() -> Select[Any]:
    pending = AddressRow.last_outcome.in_([Outcome.UNKNOWN, NO_ANSWER, NOT_DRAWN])
    return select(AddressRow.id).where(AddressRow.next_fetch_at.is_(None), pending)


def accounts(session: Session) -> list[dict[str, Any]]:
    """The accounts, with how many posts there are of each, from which day to which (in Asia/Shanghai)."""
    rows = (
        select(
            Account.biz,
            Account.name,
            func.count(Post.id).label("posts"),
            func.min(Post.published_on).label("first"),
            func.max(Post.published_on).label("last"),
            func.count(Post.capture_id).label("with_page"),
        )
        .outerjoin(Post, Post.account_id == Account.id)
        .group_by(Account.id)
        .order_by(Account.id)
    )
    return [dict(row) for row in session.execute(rows).mappings()]


def _last_runs(session: Session) -> list[dict[str, Any]]:
    columns = (Run.id, Run.command, Run.started_at, Run.finished_at, Run.verdict, Run.counts)
    return [
        dict(row) for row in session.execute(select(*columns).order_by(Run.id.desc()).limit(5)).mappings()
    ]
