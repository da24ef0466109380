"""Remove posts, an account or what runs brought in, all or nothing, and record in the hash chains what went.

The chain entries of removed rows stay, each marked with the removal that explains it.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, delete, func, insert, or_, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, aliased

from archive.db.engine import transaction
from archive.db.models import (
    Absence,
    Account,
    Address,
    Capture,
    Chain,
    ChainEntry,
    File,
    Incident,
    Medium,
    ParseResult,
    Post,
    PostLink,
    PostMedium,
    Removal,
    RepeatedCapture,
    Run,
    Sighting,
    Source,
    UnparsedCapture,
    Version,
)
from archive.domain.addresses import AddressColumns, post_key
from archive.domain.captures import CaptureData
from archive.domain.monitoring import IncidentKind
from archive.domain.outcomes import FORGOTTEN, Outcome
from archive.domain.parsed_page import ParsedPage, PostState
from archive.domain.text import storable
from archive.domain.update_decisions import PAGE
from archive.repository import absences, runs
from archive.repository.accounts import biz_of
from archive.repository.bodies import remove_bodies, unused_bodies
from archive.repository.captures import list_captures, load_capture
from archive.repository.evidence import OF_POSTS, FactKind
from archive.repository.hash_chain import append_facts, append_facts_of_posts, append_removals, fact_name
from archive.repository.incidents import close_incidents_of_account
from archive.repository.media import put_post_media, unused_files
from archive.repository.posts import put_links, replace_state
from archive.repository.removals import (
    RemovalScope,
    among,
    holders_of_absences,
    posts_citing,
    posts_with_captures,
)
from archive.repository.runs import RunArguments
from archive.repository.versions import VERSION_AT
from archive.storage.media_files import MediaFolder

COMMAND = "forget"

# Excludes every writer, in the order in which archive.ingest.pages locks rows; readers go on.
_LOCK = text(
    "LOCK TABLE accounts, addresses, sightings, captures, parse_results, bodies, posts, versions, media,"
    " files, post_media, post_links, chains IN SHARE ROW EXCLUSIVE MODE"
)

_NO_TIMEOUT = text("SET LOCAL statement_timeout = 0")  # an account may have a hundred thousand posts

Parse = Callable[[CaptureData], ParsedPage]


@dataclass(frozen=True, slots=True)
class ForgetRequest:
    """What to forget: `find_scope` determines it, `arguments` and `reason` are recorded.

    `account_id` is set where the whole account is forgotten.
    """

    find_scope: Callable[[Session], RemovalScope]
    arguments: dict[str, Any]
    reason: str
    account_id: int | None = None


def forget(
    engine: Engine, request: ForgetRequest, parse: Parse, parser_version: int, now: datetime
) -> tuple[int, RemovalScope]:
    """Remove what a request names in one transaction; return the id of the run, and what was removed.

    The media files are still there: `remove_files` removes them. Posts that stay with other pages get the
    state that `parse` finds in these. `now` is an aware UTC instant. Raises IntegrityError, and removes
    nothing, when a page that stays is stored against one that goes and cannot be read.
    """
    with transaction(engine) as session:
        session.execute(_NO_TIMEOUT)
        session.execute(_LOCK)
        return remove(session, request, parse, parser_version, now)


def remove(
    session: Session, request: ForgetRequest, parse: Parse, parser_version: int, now: datetime
) -> tuple[int, RemovalScope]:
    """Do what `forget` does, within a transaction that has locked the tables."""
    scope = request.find_scope(session)
    paths = session.scalars(select(File.path).where(among(File.id, scope.files))).all()
    arguments = {**request.arguments, "reason": request.reason, "files": sorted(paths)}
    run_id = runs.start_run(session, COMMAND, arguments, now)
    session.execute(update(Run).where(Run.id == run_id).values(counts=scope.counts()))
    removals = _record(session, run_id, scope, request, now)
    _remove(session, scope, now)
    if request.account_id is not None:
        _remove_account_state(session, request.account_id, now)
    for post_id in sorted(scope.trimmed):
        _restore_post(session, post_id, parse, parser_version, now)
    append_removals(session, removals)
    return run_id, scope


def remove_files(engine: Engine, folder: MediaFolder, run_id: int, now: datetime) -> None:
    """Remove the media files of a removal that no row is about any more, and finish its run.

    Raises MediaFolderError.
    """
    with transaction(engine) as session:
        run = session.get_one(Run, run_id)
        for path in unused_files(session, RunArguments.model_validate(run.arguments).files):
            folder.remove(path)
        runs.finish_run(session, run_id, "done", run.counts, now)


def unfinished(engine: Engine) -> list[int]:
    """Return the runs that removed rows and were killed before they had removed the media files."""
    rows = select(Run.id).where(Run.command == COMMAND, Run.finished_at.is_(None)).order_by(Run.id)
    with transaction(engine) as session:
        return list(session.scalars(rows))


def _record(
    session: Session, run_id: int, scope: RemovalScope, request: ForgetRequest, now: datetime
) -> list[int]:
    """Store one removal for each chain, and mark the entries of what is removed; return their ids."""
    entries, posts = _entries(session, scope), _posts(session, scope)
    addresses = _by_chain(session, scope, posts)
    bizs = sorted({*entries, *posts, *addresses}) or [""]
    shared = {"counts": scope.counts(), "files": _file_hashes(session, scope)}
    ids = []
    for biz in bizs:
        removed = {
            **request.arguments,
            "posts": posts.get(biz, []),
            "entries": entries.get(biz, []),
            "addresses": addresses.get(biz, []),
            **(shared if biz == bizs[-1] else {}),
        }
        values = {"run_id": run_id, "biz": biz, "reason": storable(request.reason), "removed_at": now}
        row = insert(Removal).values(**values, removed=removed).returning(Removal.id)
        removal_id = session.execute(row).scalar_one()
        ids.append(removal_id)
        chain = select(Chain.id).where(Chain.biz == biz).scalar_subquery()
        positions = [one["position"] for one in entries.get(biz, [])]
        marked = update(ChainEntry).where(ChainEntry.chain_id == chain, among(ChainEntry.position, positions))
        session.execute(marked.values(removed_by_id=removal_id, capture_id=None, version_id=None))
    return ids


def _entries(session: Session, scope: RemovalScope) -> dict[str, list[dict[str, Any]]]:
    """Return by chain the entries of what is removed: their places and contents, and what the rows were."""
    page = aliased(Capture)
    rows = select(
        Chain.biz,
        ChainEntry.position,
        ChainEntry.content_digest,
        page.requested_url,
        page.sha256,
        page.fetched_at,
        Post.aid,
        Version.number,
        Version.content_hash,
        ChainEntry.fact_kind,
        ChainEntry.fact_id,
    )
    rows = rows.join(Chain, Chain.id == ChainEntry.chain_id).outerjoin(page, page.id == ChainEntry.capture_id)
    rows = rows.outerjoin(Version, Version.id == ChainEntry.version_id)
    rows = rows.outerjoin(Post, Post.id == Version.post_id)
    rows = rows.where(
        or_(
            among(ChainEntry.capture_id, scope.captures),
            among(ChainEntry.version_id, scope.versions),
            *(
                (ChainEntry.fact_kind == kind) & among(ChainEntry.fact_id, ids)
                for kind, ids in _removed_facts(session, scope).items()
            ),
        )
    )
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in session.execute(rows.order_by(Chain.biz.collate("C"), ChainEntry.position)):
        what = {"aid": row.aid, "version": row.number, "content_hash": row.content_hash}
        if row.sha256 is not None:
            at = row.fetched_at.isoformat()
            what = {"url": row.requested_url, "sha256": row.sha256.hex(), "fetched_at": at}
        if row.fact_kind is not None:
            what = {"fact": fact_name(row.fact_kind, row.fact_id)}
        found[row.biz].append({"position": row.position, "content": row.content_digest.hex(), **what})
    return found


def _removed_facts(session: Session, scope: RemovalScope) -> dict[FactKind, Collection[int]]:
    """Return the rows whose facts are removed, by kind."""
    queued = session.scalars(select(Sighting.id).where(among(Sighting.address_id, scope.queue)))
    return {
        FactKind.ADDRESS: scope.queue,
        FactKind.SIGHTING: scope.sightings.union(queued),
        FactKind.PARSE_RESULT: scope.captures,
        FactKind.FILE: scope.media,
        **dict.fromkeys(OF_POSTS, scope.posts),
    }


def _posts(session: Session, scope: RemovalScope) -> dict[str, list[dict[str, Any]]]:
    rows = select(Account.biz, Post.aid, Post.title, Post.published_on)
    rows = rows.join(Account, Account.id == Post.account_id).where(among(Post.id, scope.posts))
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for biz, aid, title, day in session.execute(rows.order_by(Account.biz, Post.id)):
        found[biz].append({"aid": aid, "title": title, "published_on": day.isoformat()})
    return found


def _by_chain(
    session: Session, scope: RemovalScope, posts: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, list[str]]:
    """Return by account the keys of the addresses that stay forgotten, with the long one of each post."""
    rows = select(func.coalesce(Account.biz, ""), Address.key)
    rows = rows.outerjoin(Account, Account.id == Address.account_id)
    found: dict[str, set[str]] = defaultdict(set)
    for biz, key in session.execute(rows.where(among(Address.id, scope.addresses))):
        found[biz].add(key)
    for biz, removed in posts.items():
        found[biz] |= {post_key(biz, post["aid"]) for post in removed}
    return {biz: sorted(keys) for biz, keys in found.items()}


def _file_hashes(session: Session, scope: RemovalScope) -> list[str]:
    rows = select(File.sha256).where(among(File.id, scope.files)).order_by(File.sha256)
    return [sha256.hex() for sha256 in session.scalars(rows)]


def _remove(session: Session, scope: RemovalScope, now: datetime) -> None:
    """Remove the rows of a scope, those that others refer to last."""
    posts, captures = scope.posts, scope.captures
    touched = holders_of_absences(session, captures) | posts_with_captures(session, captures)
    append_facts_of_posts(session, (touched | posts_citing(session, captures)) - posts)
    bodies = unused_bodies(session, captures)
    _keep_forgotten(session, scope, now)
    of_posts = (Absence, PostMedium, PostLink)
    for table in of_posts:
        session.execute(delete(table).where(among(table.post_id, posts) | among(table.capture_id, captures)))
    session.execute(delete(Absence).where(among(Absence.returned_capture_id, captures)))
    of_removed = among(Post.current_version_id, scope.versions)  # `_restore_post` names another one
    session.execute(update(Post).where(of_removed).values(current_version_id=None))
    session.execute(delete(Version).where(among(Version.id, scope.versions)))
    session.execute(delete(Post).where(among(Post.id, posts)))
    session.execute(update(Post).where(among(Post.capture_id, captures)).values(capture_id=None))
    session.execute(delete(RepeatedCapture).where(among(RepeatedCapture.capture_id, captures)))
    session.execute(delete(ParseResult).where(among(ParseResult.capture_id, captures)))
    session.execute(delete(UnparsedCapture).where(among(UnparsedCapture.capture_id, captures)))
    session.execute(delete(Capture).where(among(Capture.id, captures)))
    remove_bodies(session, bodies)
    session.execute(delete(Medium).where(among(Medium.id, scope.media)))
    session.execute(delete(File).where(among(File.id, scope.files)))
    gone = among(Sighting.id, scope.sightings) | among(Sighting.address_id, scope.queue)
    session.execute(delete(Sighting).where(gone))
    session.execute(delete(Address).where(among(Address.id, scope.queue)))
    absences.rebuild_absences(session, sorted(touched - posts))
    _close_incidents(session, captures, now)


def _keep_forgotten(session: Session, scope: RemovalScope, now: datetime) -> None:
    """Keep the addresses of removed posts, so that no source makes them due again."""
    values = {
        "last_outcome": FORGOTTEN,
        "last_reason": "",
        "last_tried_at": None,
        "attempts": 0,
        "next_fetch_at": None,
        "claimed_by_run_id": None,
        "claimed_until": None,
    }
    session.execute(update(Address).where(among(Address.id, scope.addresses)).values(values))
    rows = select(Account.biz, Post.account_id, Post.aid, Post.url)
    rows = rows.join(Account, Account.id == Post.account_id).where(among(Post.id, scope.posts))
    new = [
        {**_identity(biz, aid), "url": url, "account_id": account_id, "aid": aid, **values}
        for biz, account_id, aid, url in session.execute(rows)
    ]
    if new:
        row = postgresql.insert(Address).on_conflict_do_nothing().returning(Address.id)
        append_facts(session, FactKind.ADDRESS, session.scalars(row, new).all())
    append_facts(session, FactKind.ADDRESS, scope.addresses | scope.reset)
    due = {**values, "last_outcome": None, "next_fetch_at": now}
    session.execute(update(Address).where(among(Address.id, scope.reset)).values(due))


def _identity(biz: str, aid: str) -> dict[str, Any]:
    """Return the columns that identify the long address of a post."""
    return AddressColumns.of_key(post_key(biz, aid))._asdict()


def _close_incidents(session: Session, captures: frozenset[int], now: datetime) -> None:
    of_captures = (Incident.kind == IncidentKind.CAPTURE) & among(Incident.capture_id, captures)
    session.execute(update(Incident).where(of_captures, Incident.closed_at.is_(None)).values(closed_at=now))


def _remove_account_state(session: Session, account_id: int, now: datetime) -> None:
    """Remove the state of an account's sources, and close its incidents."""
    close_incidents_of_account(session, account_id, now)
    session.execute(delete(Source).where(Source.account_id == account_id))


def _restore_post(session: Session, post_id: int, parse: Parse, parser_version: int, now: datetime) -> None:
    """Give a post that stays the state of its remaining pages."""
    post = session.get_one(Post, post_id)
    biz = biz_of(session, post)
    listed = sorted(list_captures(session, post), key=lambda one: (one["fetched_at"], one["id"]))
    pages: list[tuple[int | None, PostState]] = []
    for one in listed:
        if one["outcome"] != Outcome.ARTICLE:
            continue
        page = parse(load_capture(session, one["id"]))
        if page.record is None or (page.biz, page.record.aid) != (biz, post.aid):
            continue
        run_id = session.scalar(select(Capture.run_id).where(Capture.id == one["id"]))
        state = (post.account_id, page.record, PAGE, one["id"], page, parser_version, one["fetched_at"])
        pages.append((run_id, PostState(*state)))
    current: Sequence[Any] = [one for one in (replace_state(session, post_id, pages, now),) if one]
    _update_first_archived(session, post_id)
    put_post_media(session, current, now)
    put_links(session, current)


def _update_first_archived(session: Session, post_id: int) -> None:
    """Date the archiving of a post by the first of its remaining versions, if any."""
    first = select(func.min(VERSION_AT)).select_from(Version)
    first = first.outerjoin(Capture, Capture.id == Version.capture_id)
    first = first.where(Version.post_id == post_id)
    values = {"first_archived_at": func.coalesce(first.scalar_subquery(), Post.first_archived_at)}
    session.execute(update(Post).where(Post.id == post_id).values(values))
    append_facts(session, FactKind.POST, [post_id])
