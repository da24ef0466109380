"""Store the server's responses as they came, and read them back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Date,
    Row,
    Select,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    select,
    text,
    tuple_,
    union,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from archive.db.models import (
    Account,
    Address,
    Capture,
    Medium,
    ParseResult,
    Post,
    PostLink,
    PostMedium,
    RepeatedCapture,
    UnparsedCapture,
    Version,
)
from archive.db.models.base import ANY_OF_IDS
from archive.domain.captures import CaptureData
from archive.domain.errors import NotArchived
from archive.domain.messages import Message
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage, page_associations
from archive.domain.text import storable, storable_json
from archive.domain.update_decisions import PAGE, REPARSE
from archive.repository.bodies import capture_body, store_bodies
from archive.repository.evidence import FactKind
from archive.repository.hash_chain import append_captures, append_facts, append_facts_of_posts
from archive.repository.post_queries import IS_ITS_ADDRESS, IS_ITS_RESULT, STORED_ORDER

UNPARSED_BATCH = 1000  # captures left unparsed that are handed out at once


def store_captures(
    session: Session, run_id: int | None, captures: Sequence[tuple[int | None, CaptureData]]
) -> list[int]:
    """Store captures, each with the id of its address or None, before they are parsed; return their ids."""
    if not captures:
        return []
    session.execute(_LOCK_AS_WRITER)
    store_bodies(session, [capture for _, capture in captures])
    ids = list(session.scalars(_NEW_IDS, {"count": len(captures)}))
    rows = [
        {"id": id_, **_row(run_id, address_id, capture)}
        for id_, (address_id, capture) in zip(ids, captures, strict=True)
    ]
    session.execute(insert(Capture), rows)
    session.execute(insert(UnparsedCapture), [{"capture_id": capture_id} for capture_id in ids])
    append_captures(session, ids)
    return ids


# Whoever removes captures excludes all writers: no delta base vanishes between its choice and its use.
_LOCK_AS_WRITER = text("LOCK TABLE ONLY captures IN ROW EXCLUSIVE MODE")

_NEW_IDS = text("SELECT partitions.new_capture_id() FROM generate_series(1, :count)")


def _row(run_id: int | None, address_id: int | None, capture: CaptureData) -> dict[str, Any]:
    return {
        "address_id": address_id,
        "run_id": run_id,
        "requested_url": storable(capture.requested_url),
        "final_url": storable(capture.final_url),
        "status": capture.status,
        "headers": storable_json([list(pair) for pair in capture.headers]),
        "body_size": len(capture.body),
        "sha256": capture.sha256,
        "fetched_at": capture.fetched_at,
        "rendered": capture.rendered,
        "evaluated": storable_json(capture.evaluated),
    }


def capture_origins(
    session: Session, capture_ids: Sequence[int]
) -> dict[int, Row[tuple[int, datetime, str, bool]]]:
    """Return by id when each capture was fetched, and as which source its parse result counts.

    The source is PAGE for a capture parsed for the first time, REPARSE for one parsed before. `is_dated` is
    false for a saved file, which has no headers: its time is that of the file.
    """
    is_parsed = select(ParseResult.id).where(IS_ITS_RESULT).exists()
    source = case((is_parsed, REPARSE), else_=PAGE)
    is_dated = Capture.headers != cast([], JSONB)
    rows = select(Capture.id, Capture.fetched_at, source.label("source"), is_dated.label("is_dated"))
    return {row.id: row for row in session.execute(rows.where(Capture.id.in_(capture_ids)))}


def store_outcomes(
    session: Session, results: Sequence[tuple[int, ParsedPage]], parser_version: int | None, now: datetime
) -> None:
    """Store what captures turned out to be, which parser says so and when (UTC); skip what is stored."""
    pages = dict(results)
    captures = select(Capture.id).where(Capture.id.in_(pages)).order_by(Capture.id)
    session.execute(captures.with_for_update(key_share=True))  # of two processes one stores its result first
    session.execute(delete(UnparsedCapture).where(UnparsedCapture.capture_id.in_(pages)))
    is_current = ParseResult.capture_id.in_(pages), ParseResult.is_current
    columns = (ParseResult.capture_id, ParseResult.outcome, ParseResult.reason, ParseResult.parser_version)
    known = {row[0]: tuple(row[1:]) for row in session.execute(select(*columns).where(*is_current))}
    found = {
        capture_id: (page.outcome.value, storable(page.reason), parser_version)
        for capture_id, page in pages.items()
    }
    new = {capture_id: values for capture_id, values in found.items() if known.get(capture_id) != values}
    if not new:
        return
    replaced = ParseResult.capture_id.in_(new), ParseResult.is_current
    session.execute(update(ParseResult).where(*replaced).values(is_current=False))
    names = ("outcome", "reason", "parser_version")
    rows = [
        {
            "capture_id": capture_id,
            **dict(zip(names, values, strict=True)),
            "parsed_at": now,
            "is_current": True,
        }
        for capture_id, values in sorted(new.items())
    ]
    session.execute(insert(ParseResult), rows)
    append_facts(session, FactKind.PARSE_RESULT, list(new))


_METADATA = (
    Capture.id, ParseResult.outcome, func.coalesce(ParseResult.reason, "").label("reason"),
    Capture.status, Capture.fetched_at,
    Capture.requested_url, Capture.final_url, Capture.body_size, Capture.sha256,
    Capture.rendered,
)  # fmt: skip


def list_captures(session: Session, post: Post) -> list[dict[str, Any]]:
    """Return the captures of a post without their bodies, the last stored first; `reason` is a Message."""
    values = {"post": post.id, "account": post.account_id, "aid": post.aid}
    ids = {post.capture_id, *session.scalars(_capture_ids(), values)} - {None}
    found = session.execute(_metadata_rows(), {"ids": list(ids)}) if ids else ()
    return [_metadata(row) for row in found]


@cache
def _capture_ids() -> CompoundSelect[int | None]:
    """Select the captures of a post's addresses, and those that its versions are from."""
    of_addresses = select(Capture.id).join(Address, Address.id == Capture.address_id)
    is_own = (Address.account_id == bindparam("account")) & (Address.aid == bindparam("aid"))
    of_versions = select(Version.capture_id).where(Version.post_id == bindparam("post"))
    return union_all(of_addresses.where(is_own), of_versions)


@cache
def _metadata_rows() -> Select[*tuple[Any, ...]]:
    rows = select(*_METADATA).outerjoin(ParseResult, IS_ITS_RESULT).order_by(STORED_ORDER.desc())
    return rows.where(Capture.id == ANY_OF_IDS)


def get_capture_metadata(session: Session, capture_id: int) -> dict[str, Any]:
    """Return a capture without its body; `reason` is a Message. Raises NotArchived when there is none."""
    rows = select(*_METADATA).outerjoin(ParseResult, IS_ITS_RESULT)
    row = session.execute(rows.where(Capture.id == capture_id)).first()
    if row is None:
        raise NotArchived("archive.capture.missing", id=capture_id)
    return _metadata(row)


def _metadata(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    return {**row._mapping, "reason": Message.load(row.reason)}


def load_capture(session: Session, capture_id: int) -> CaptureData:
    """Return a capture with its body. Raises IntegrityError when its bytes are damaged."""
    row = session.get_one(Capture, capture_id)
    return CaptureData(
        requested_url=row.requested_url,
        final_url=row.final_url,
        status=row.status,
        headers=tuple((name, value) for name, value in row.headers),
        body=capture_body(session, capture_id),
        fetched_at=row.fetched_at,
        rendered=row.rendered,
        evaluated=row.evaluated,
    )


def find_capture(
    session: Session, requested_url: str, sha256: bytes, fetched_at: datetime | None = None
) -> int | None:
    """Return the first capture of these bytes from this address, at this UTC instant if one is given.

    Addresses are compared as they are read, without sessions that earlier versions stored.
    """
    rows = select(Capture.id, Capture.requested_url).where(Capture.sha256 == sha256)
    if fetched_at is not None:
        rows = rows.where(Capture.fetched_at == fetched_at)
    found = session.execute(rows.order_by(STORED_ORDER))
    return next((capture_id for capture_id, address in found if address == requested_url), None)


def note_repeated(session: Session, capture_id: int, run_id: int) -> None:
    """Record that a run brought a capture again that another run had brought."""
    is_own = select(Capture.id).where(Capture.id == capture_id, Capture.run_id == run_id)
    if session.scalar(is_own) is None:
        row = postgresql.insert(RepeatedCapture).values(capture_id=capture_id, run_id=run_id)
        session.execute(row.on_conflict_do_nothing())


def unparsed_captures(session: Session) -> list[int]:
    """Return captures that a killed process left unparsed, oldest first, at most UNPARSED_BATCH."""
    rows = select(UnparsedCapture.capture_id).order_by(UnparsedCapture.capture_id)
    return list(session.scalars(rows.limit(UNPARSED_BATCH)))


def last_page(session: Session, address_id: int) -> bytes | None:
    """Return the newest page served at an address that was a post; None when there is none.

    Raises IntegrityError when it is damaged.
    """
    rows = select(Capture.id).join(ParseResult, IS_ITS_RESULT)
    rows = rows.where(
        Capture.address_id == address_id,
        ParseResult.outcome == Outcome.ARTICLE,
        Capture.rendered.is_(False),
    )
    newest = session.scalar(rows.order_by(Capture.fetched_at.desc(), Capture.id.desc()).limit(1))
    return None if newest is None else capture_body(session, newest)


ParsedCapture: TypeAlias = Row[*tuple[Any, ...]]  # id, outcome, reason, fetched_at, aid


@dataclass(frozen=True, slots=True)
class ReparseSelection:
    """The captures to parse again.

    Days are in Asia/Shanghai, both included: of the post's publication, or of the fetch where the page is not
    of a post. `whole` includes captures that today's parser has parsed.
    """

    aids: tuple[str, ...] = ()
    account: str | None = None
    since: date | None = None
    until: date | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class PostWithHistory:
    """A post as it is stored, with the hashes of its versions and when its current page was fetched (UTC)."""

    post: Post
    hashes: frozenset[str]
    fetched_at: datetime | None


def captures_to_reparse(session: Session, chosen: ReparseSelection, parser_version: int) -> list[int]:
    """Return the ids of captures that an earlier parser has parsed, in the order they were fetched."""
    rows = select(Capture.id).outerjoin(Address, Address.id == Capture.address_id)
    rows = rows.outerjoin(Post, IS_ITS_ADDRESS).outerjoin(Account, Account.id == Address.account_id)
    rows = rows.join(ParseResult, IS_ITS_RESULT).where(*_conditions(chosen))
    if not chosen.whole:
        rows = rows.where(func.coalesce(ParseResult.parser_version, 0) < parser_version)
    return list(session.scalars(rows.order_by(Capture.fetched_at, Capture.id)))


def _conditions(chosen: ReparseSelection) -> list[ColumnElement[bool]]:
    day = func.coalesce(Post.published_on, cast(func.timezone("Asia/Shanghai", Capture.fetched_at), Date))
    named = (Account.biz == chosen.account) | (Account.name == chosen.account)
    conditions: list[ColumnElement[bool]] = [Address.aid.in_(chosen.aids)] if chosen.aids else []
    conditions += [named | (Post.account_name == chosen.account)] if chosen.account else []
    conditions += [day >= chosen.since] if chosen.since else []
    return conditions + ([day <= chosen.until] if chosen.until else [])


def parsed_captures(session: Session, ids: Sequence[int]) -> dict[int, ParsedCapture]:
    """Return by id what captures were parsed as, and the aid of the address each came from."""
    rows = select(
        Capture.id,
        ParseResult.outcome,
        func.coalesce(ParseResult.reason, "").label("reason"),
        Capture.fetched_at,
        Address.aid,
    ).outerjoin(Address, Address.id == Capture.address_id)
    rows = rows.outerjoin(ParseResult, IS_ITS_RESULT)
    return {row.id: row for row in session.execute(rows.where(Capture.id.in_(ids)))}


def posts_with_history(
    session: Session, identities: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], PostWithHistory]:
    """Return the archived ones of these posts, which are named by biz and aid."""
    rows = select(Account.biz, Post, Capture.fetched_at).join(Account, Account.id == Post.account_id)
    rows = rows.outerjoin(Capture, Capture.id == Post.capture_id)
    posts = session.execute(rows.where(tuple_(Account.biz, Post.aid).in_(identities))).all()
    hashes = select(Version.post_id, func.array_agg(Version.content_hash)).group_by(Version.post_id)
    hashes = hashes.where(Version.post_id.in_([row.Post.id for row in posts]))
    by_post = {post_id: frozenset(all_hashes) for post_id, all_hashes in session.execute(hashes)}
    return {
        (biz, post.aid): PostWithHistory(post, by_post.get(post.id, frozenset()), fetched_at)
        for biz, post, fetched_at in posts
    }


def count_associations(session: Session, capture_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return by capture how many media and how many links of posts are of it."""
    media, links = (
        dict(
            session.execute(
                select(table.capture_id, func.count())
                .where(table.capture_id.in_(capture_ids))
                .group_by(table.capture_id)
            ).all()
        )
        for table in (PostMedium, PostLink)
    )
    return {capture_id: (media.get(capture_id, 0), links.get(capture_id, 0)) for capture_id in capture_ids}


def remove_obsolete_associations(session: Session, capture_id: int, page: ParsedPage) -> None:
    """Delete media and links that an earlier parser found in a capture and today's does not."""
    media, links = page_associations(page)
    shown = union(
        *(select(table.post_id).where(table.capture_id == capture_id) for table in (PostMedium, PostLink))
    )
    append_facts_of_posts(session, session.scalars(shown).all())
    stored = select(PostMedium.id, PostMedium.role, Medium.key).join(Medium)
    stored = stored.where(PostMedium.capture_id == capture_id)
    obsolete = [number for number, role, key in session.execute(stored) if (role, key) not in media]
    session.execute(delete(PostMedium).where(PostMedium.id.in_(obsolete)))
    rows = select(PostLink.id, PostLink.relation, PostLink.key).where(PostLink.capture_id == capture_id)
    obsolete = [number for number, relation, key in session.execute(rows) if (relation, key) not in links]
    session.execute(delete(PostLink).where(PostLink.id.in_(obsolete)))
