"""Determine what forgetting posts, an account or runs removes, and list what was forgotten."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Date,
    Select,
    any_,
    cast,
    column,
    func,
    literal,
    or_,
    select,
    union,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import InstrumentedAttribute, Session

from archive.db.models import (
    Absence,
    Account,
    Address,
    Capture,
    File,
    Medium,
    ParseResult,
    Post,
    PostLink,
    PostMedium,
    Removal,
    RepeatedCapture,
    Sighting,
    Version,
)
from archive.domain.outcomes import FORGOTTEN, Outcome
from archive.repository.post_queries import (
    IS_ITS_ADDRESS,
    IS_ITS_RESULT,
)

LINKS_OF_POSTS = "neighbours"  # a source that lists what archived posts link to: it vouches for nothing


@dataclass(frozen=True, slots=True)
class RemovalScope:
    """What is to be removed, by ids.

    `addresses` are those whose posts stay forgotten; `queue` those that are removed from the crawl's work
    list; `reset` those that are fetched again, because their only responses are removed. `trimmed` are posts
    that stay with what other runs brought, `kept` posts that stay as they are because a source lists them.
    """

    posts: frozenset[int] = frozenset()
    versions: frozenset[int] = frozenset()
    captures: frozenset[int] = frozenset()
    addresses: frozenset[int] = frozenset()
    queue: frozenset[int] = frozenset()
    reset: frozenset[int] = frozenset()
    sightings: frozenset[int] = frozenset()
    media: frozenset[int] = frozenset()
    files: frozenset[int] = frozenset()
    trimmed: frozenset[int] = frozenset()
    kept: frozenset[int] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to remove."""
        return not (self.posts or self.versions or self.captures or self.sightings or self.addresses)

    def counts(self) -> dict[str, int]:
        """Return how many rows of each kind are removed, and how many posts stay."""
        return {
            "posts": len(self.posts),
            "versions": len(self.versions),
            "captures": len(self.captures),
            "media": len(self.files),
            "addresses": len(self.queue | self.addresses),
            "trimmed": len(self.trimmed),
            "kept": len(self.kept),
        }


def among(column: Any, ids: Collection[int]) -> ColumnElement[bool]:
    """Return the SQL condition that a column is one of these ids, however many they are."""
    return column == any_(literal(sorted(ids), ARRAY(BigInteger)))  # type: ignore[no-any-return]


def scope_of_account(session: Session, account_id: int, biz: str) -> RemovalScope:
    """Return everything of an account; what other accounts' posts link to stays with those."""
    posts = _ids(session, select(Post.id).where(Post.account_id == account_id))
    own = or_(
        Address.account_id == account_id,
        Address.biz == biz,
        Address.account_id.is_(None) & (Address.expected_biz == biz),
    )
    return _scope_of_posts(session, posts, _ids(session, select(Address.id).where(own)))


def scope_of_posts(session: Session, post_ids: Collection[int], address_ids: Collection[int]) -> RemovalScope:
    """Return everything of these posts; `address_ids` are addresses that have no post."""
    its = select(Address.id).join(Post, IS_ITS_ADDRESS).where(among(Post.id, post_ids))
    return _scope_of_posts(session, frozenset(post_ids), _ids(session, its) | frozenset(address_ids))


def _scope_of_posts(session: Session, posts: frozenset[int], addresses: frozenset[int]) -> RemovalScope:
    rows = union(
        select(Capture.id).where(among(Capture.address_id, addresses)),
        *(select(column).where(among(post, posts)) for column, post in _citing_columns()),
    )
    captures = frozenset(id_ for id_ in session.scalars(rows) if id_ is not None)
    captures -= _cited_by_others(session, captures, posts)
    return _complete(
        session,
        posts=posts,
        versions=_ids(session, select(Version.id).where(among(Version.post_id, posts))),
        captures=captures,
        addresses=addresses,
        sightings=_ids(session, select(Sighting.id).where(among(Sighting.address_id, addresses))),
    )


def _citing_columns() -> list[tuple[InstrumentedAttribute[Any], InstrumentedAttribute[int]]]:
    """Return the columns that cite captures, each with the column of its post."""
    return [
        (Post.capture_id, Post.id),
        (Version.capture_id, Version.post_id),
        (PostMedium.capture_id, PostMedium.post_id),
        (PostLink.capture_id, PostLink.post_id),
    ]


def _cited_by_others(session: Session, captures: frozenset[int], posts: frozenset[int]) -> frozenset[int]:
    """Return those of these captures that posts other than these were parsed from."""
    rows = [
        select(column).where(among(column, captures), ~among(post, posts))
        for column, post in _citing_columns()
    ]
    return _ids(session, union(*rows))


def posts_citing(session: Session, captures: Collection[int]) -> frozenset[int]:
    """Return the posts that cite these captures: for their state, a version, a medium or a link."""
    rows = [select(post).where(among(column, captures)) for column, post in _citing_columns()]
    return _ids(session, union(*rows))


def scope_of_runs(session: Session, run_ids: Collection[int]) -> RemovalScope:
    """Return what these runs brought in; what another run or source also vouches for stays.

    A capture stays that a run outside of these brought again. A post stays without the pages of these runs
    where other runs brought its text as well, and as it is where only a source lists it.
    """
    repeated = select(RepeatedCapture.id).where(
        RepeatedCapture.capture_id == Capture.id, ~among(RepeatedCapture.run_id, run_ids)
    )
    captures = _ids(session, select(Capture.id).where(among(Capture.run_id, run_ids), ~repeated.exists()))
    versions = _versions_of_runs(session, run_ids, captures)
    own = _ids(
        session,
        select(Sighting.id).where(among(Sighting.run_id, run_ids), among(Sighting.last_run_id, run_ids)),
    )
    touched = _touched(session, captures, versions)
    supported = _with_other_content(session, touched, captures, versions)
    kept = _listed_by_others(session, touched - supported, own)
    captures -= _captures_of(session, kept)
    versions -= _ids(session, select(Version.id).where(among(Version.post_id, kept)))
    posts = touched - supported - kept
    its = select(Address.id).join(Post, IS_ITS_ADDRESS)
    addresses = _ids(session, its.where(among(Post.id, posts)))
    stays = _ids(session, its.where(~among(Post.id, posts)))
    queue, sightings = _queue_of_runs(session, own, captures, addresses | stays)
    gone = select(Sighting.id).where(among(Sighting.address_id, addresses))
    return _complete(
        session,
        posts=posts,
        versions=versions,
        captures=captures,
        addresses=addresses,
        queue=queue,
        reset=_without_response(session, captures, addresses | stays | queue),
        sightings=sightings | _ids(session, gone),
        trimmed=supported,
        kept=kept,
    )


def _versions_of_runs(session: Session, run_ids: Collection[int], captures: frozenset[int]) -> frozenset[int]:
    """Return the versions parsed from these captures, and those of dumps that no other run has read."""
    read_again = (
        select(Sighting.id)
        .join(Address, Address.id == Sighting.address_id)
        .join(Post, IS_ITS_ADDRESS)
        .where(Post.id == Version.post_id, Sighting.source == Version.source)
        .where(Sighting.last_run_id.is_(None) | ~among(Sighting.last_run_id, run_ids))
    )
    of_dumps = Version.capture_id.is_(None) & among(Version.run_id, run_ids) & ~read_again.exists()
    return _ids(session, select(Version.id).where(among(Version.capture_id, captures) | of_dumps))


def _touched(session: Session, captures: frozenset[int], versions: frozenset[int]) -> frozenset[int]:
    """Return the posts of these captures and versions."""
    by_address = select(Post.id).join(Address, IS_ITS_ADDRESS)
    by_address = by_address.join(Capture, Capture.address_id == Address.id)
    by_address = by_address.join(ParseResult, IS_ITS_RESULT)
    by_address = by_address.where(among(Capture.id, captures), ParseResult.outcome == Outcome.ARTICLE)
    return _ids(
        session,
        union(
            by_address,
            select(Post.id).where(among(Post.capture_id, captures)),
            select(Version.post_id).where(among(Version.id, versions)),
        ),
    )


def _with_other_content(
    session: Session, posts: frozenset[int], captures: frozenset[int], versions: frozenset[int]
) -> frozenset[int]:
    """Return those of these posts that have another page or version than these."""
    by_page = select(Post.id).join(Address, IS_ITS_ADDRESS)
    by_page = by_page.join(Capture, Capture.address_id == Address.id).where(among(Post.id, posts))
    by_page = by_page.join(ParseResult, IS_ITS_RESULT)
    by_page = by_page.where(ParseResult.outcome == Outcome.ARTICLE, ~among(Capture.id, captures))
    by_page = by_page.where(ParseResult.reason == "")  # a reason: a post of another account
    by_version = select(Version.post_id).where(among(Version.post_id, posts), ~among(Version.id, versions))
    return _ids(session, union(by_page, by_version))


def _listed_by_others(session: Session, posts: frozenset[int], own: frozenset[int]) -> frozenset[int]:
    """Return those of these posts that a sighting other than these vouches for."""
    rows = select(Post.id).join(Address, IS_ITS_ADDRESS).where(among(Post.id, posts))
    rows = rows.join(Sighting, Sighting.address_id == Address.id)
    return _ids(session, rows.where(~among(Sighting.id, own), Sighting.source != LINKS_OF_POSTS))


def _captures_of(session: Session, posts: frozenset[int]) -> frozenset[int]:
    at_addresses = select(Capture.id).join(Address, Address.id == Capture.address_id)
    rows = [select(column).where(among(post, posts)) for column, post in _citing_columns()]
    found = session.scalars(
        union(at_addresses.join(Post, IS_ITS_ADDRESS).where(among(Post.id, posts)), *rows)
    )
    return frozenset(id_ for id_ in found if id_ is not None)


def _queue_of_runs(
    session: Session, own: frozenset[int], captures: frozenset[int], others: frozenset[int]
) -> tuple[frozenset[int], frozenset[int]]:
    """Return the addresses without a post that no other sighting vouches for, and sightings to remove."""
    seen = select(Sighting.address_id).where(among(Sighting.id, own))
    seen = seen.where(~among(Sighting.address_id, others))
    vouched = select(Sighting.id).where(Sighting.address_id == Address.id)
    vouched = vouched.where(~among(Sighting.id, own), Sighting.source != LINKS_OF_POSTS)
    answered = select(Capture.id).where(Capture.address_id == Address.id)
    answered = answered.where(~among(Capture.id, captures))
    rows = select(Address.id).where(Address.id.in_(seen), ~vouched.exists())
    queue = _ids(session, rows.where(~answered.exists()))
    elsewhere = select(Sighting.id).where(among(Sighting.id, own), ~among(Sighting.address_id, others))
    other = Sighting.__table__.alias()
    has_other = select(other.c.id).where(other.c.address_id == Sighting.address_id, ~among(other.c.id, own))
    is_gone = among(Sighting.address_id, queue)
    sightings = _ids(session, elsewhere.where(is_gone | has_other.exists()))
    return queue, sightings | _ids(session, select(Sighting.id).where(is_gone))


def _without_response(session: Session, captures: frozenset[int], others: frozenset[int]) -> frozenset[int]:
    """Return the addresses that only these captures are a response of, but for `others`."""
    rest = Capture.__table__.alias()
    answered = select(rest.c.id).where(rest.c.address_id == Capture.address_id)
    answered = answered.where(~among(rest.c.id, captures))
    rows = select(Capture.address_id).where(among(Capture.id, captures), ~answered.exists())
    rows = rows.where(Capture.address_id.is_not(None), ~among(Capture.address_id, others))
    return _ids(session, rows)


def _complete(session: Session, **ids: frozenset[int]) -> RemovalScope:
    """Add the media and files that nothing else shows."""
    posts, captures = ids["posts"], ids["captures"]
    shown = among(PostMedium.post_id, posts) | among(PostMedium.capture_id, captures)
    other = PostMedium.__table__.alias()
    stays = select(other.c.id).where(
        other.c.medium_id == PostMedium.medium_id,
        ~(among(other.c.post_id, posts) | among(other.c.capture_id, captures)),
    )
    media = _ids(session, select(PostMedium.medium_id).where(shown, ~stays.exists()))
    others = Medium.__table__.alias()
    used = select(others.c.id).where(others.c.file_id == Medium.file_id, ~among(others.c.id, media))
    files = select(File.id).join(Medium, Medium.file_id == File.id)
    files = files.where(among(Medium.id, media), ~used.exists())
    return RemovalScope(**ids, media=media, files=_ids(session, files))


def _ids(session: Session, rows: Select[Any] | Any) -> frozenset[int]:
    return frozenset(session.scalars(rows))


def holders_of_absences(session: Session, captures: Collection[int]) -> frozenset[int]:
    """Return the posts with absences that these captures show."""
    rows = select(Absence.post_id).where(
        among(Absence.capture_id, captures) | among(Absence.returned_capture_id, captures)
    )
    return _ids(session, rows)


def posts_with_captures(session: Session, captures: Collection[int]) -> frozenset[int]:
    """Return the posts whose addresses have these captures."""
    rows = select(Post.id).join(Address, IS_ITS_ADDRESS)
    rows = rows.join(Capture, Capture.address_id == Address.id)
    return _ids(session, rows.where(among(Capture.id, captures)).with_only_columns(func.distinct(Post.id)))


@dataclass(frozen=True, slots=True)
class ForgottenPost:
    """A post that was removed on purpose and is not archived again.

    `published_on` is a date in Asia/Shanghai, `removed_at` an aware UTC instant; `reason` may be empty.
    """

    biz: str
    aid: str
    title: str
    published_on: date
    removed_at: datetime
    reason: str


def count_forgotten(session: Session) -> int:
    """Count the posts that were removed on purpose and are not archived again."""
    has_post = select(Post.id).where(IS_ITS_ADDRESS).exists()
    rows = select(Address.account_id, Address.aid).distinct()
    rows = rows.where(Address.last_outcome == FORGOTTEN, Address.aid.is_not(None), ~has_post)
    return session.scalar(select(func.count()).select_from(rows.subquery())) or 0


def forgotten_posts(session: Session, biz: str) -> list[ForgottenPost]:
    """Return the posts of an account that were removed on purpose and are not archived, oldest first."""
    listed = func.jsonb_array_elements(Removal.removed["posts"]).table_valued(column("value", JSONB))
    aid = listed.c.value["aid"].astext
    rows = select(
        Account.biz, aid, listed.c.value["title"].astext, cast(listed.c.value["published_on"].astext, Date),
        Removal.removed_at, Removal.reason,
    )  # fmt: skip
    rows = rows.select_from(Removal).join(listed, literal(True)).join(Account, Account.biz == Removal.biz)
    forgotten = select(Address.id).where(
        Address.account_id == Account.id, Address.aid == aid, Address.last_outcome == FORGOTTEN
    )
    archived = select(Post.id).where(Post.account_id == Account.id, Post.aid == aid)
    rows = rows.where(Account.biz == biz, forgotten.exists(), ~archived.exists())
    found = (ForgottenPost(*row) for row in session.execute(rows.order_by(Removal.id)))
    newest = {post.aid: post for post in found}
    return sorted(newest.values(), key=lambda post: (post.published_on, post.aid))


def listed_posts_of(session: Session, scope: RemovalScope, limit: int) -> list[tuple[str, date, str]]:
    """Return aid, date and title of the first posts to be removed, by their dates."""
    rows = select(Post.aid, Post.published_on, Post.title).where(among(Post.id, scope.posts))
    found = session.execute(rows.order_by(Post.published_on, Post.id).limit(limit))
    return [(aid, day, title) for aid, day, title in found]
