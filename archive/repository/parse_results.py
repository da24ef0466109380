"""Read and change what is stored of parsed captures, for parsing them again with a later parser."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Date, Row, cast, delete, func, select, tuple_
from sqlalchemy.orm import Session

from archive.db.models import Account, AddressRow, CaptureRow, MediumRow, Post, PostLink, PostMedium, Version
from archive.domain.parsed_page import ParsedPage, page_associations
from archive.repository.post_queries import IS_ITS_ADDRESS

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
    rows = select(CaptureRow.id).outerjoin(AddressRow, AddressRow.id == CaptureRow.address_id)
    rows = rows.outerjoin(Post, IS_ITS_ADDRESS).outerjoin(Account, Account.id == AddressRow.account_id)
    rows = rows.where(CaptureRow.outcome.is_not(None), *_conditions(chosen))
    if not chosen.whole:
        rows = rows.where(func.coalesce(CaptureRow.parser_version, 0) < parser_version)
    return list(session.scalars(rows.order_by(CaptureRow.fetched_at, CaptureRow.id)))


def _conditions(chosen: ReparseSelection) -> list[ColumnElement[bool]]:
    day = func.coalesce(Post.published_on, cast(func.timezone("Asia/Shanghai", CaptureRow.fetched_at), Date))
    named = (Account.biz == chosen.account) | (Account.name == chosen.account)
    conditions: list[ColumnElement[bool]] = [AddressRow.aid.in_(chosen.aids)] if chosen.aids else []
    conditions += [named | (Post.account_name == chosen.account)] if chosen.account else []
    conditions += [day >= chosen.since] if chosen.since else []
    return conditions + ([day <= chosen.until] if chosen.until else [])


def parsed_captures(session: Session, ids: Sequence[int]) -> dict[int, ParsedCapture]:
    """Return by id what captures were parsed as, and the aid of the address each came from."""
    rows = select(
        CaptureRow.id, CaptureRow.outcome, CaptureRow.reason, CaptureRow.fetched_at, AddressRow.aid
    ).outerjoin(AddressRow, AddressRow.id == CaptureRow.address_id)
    return {row.id: row for row in session.execute(rows.where(CaptureRow.id.in_(ids)))}


def posts_with_history(
    session: Session, identities: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], PostWithHistory]:
    """Return the archived ones of these posts, which are named by biz and aid."""
    rows = select(Account.biz, Post, CaptureRow.fetched_at).join(Account, Account.id == Post.account_id)
    rows = rows.outerjoin(CaptureRow, CaptureRow.id == Post.capture_id)
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
    stored = select(PostMedium.id, PostMedium.role, MediumRow.key).join(MediumRow)
    stored = stored.where(PostMedium.capture_id == capture_id)
    obsolete = [number for number, role, key in session.execute(stored) if (role, key) not in media]
    session.execute(delete(PostMedium).where(PostMedium.id.in_(obsolete)))
    rows = select(PostLink.id, PostLink.relation, PostLink.key).where(PostLink.capture_id == capture_id)
    obsolete = [number for number, relation, key in session.execute(rows) if (relation, key) not in links]
    session.execute(delete(PostLink).where(PostLink.id.in_(obsolete)))
