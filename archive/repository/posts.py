"""Write posts and their versions, each post once: `uq__posts__account_id_aid` decides between processes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Select,
    func,
    insert,
    inspect,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, load_only

from archive.db.models import (
    Account,
    Address,
    Capture,
    ParseResult,
    Post,
    PostLink,
    Version,
)
from archive.db.models.base import ANY_OF_IDS, insert_arrays
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import CurrentPage, LinkRef, PostIdentity, PostState, page_facts
from archive.domain.records import Record
from archive.domain.text import index_key, storable, storable_json
from archive.domain.update_decisions import PAGE, REPARSE, Intent, StoredPost, StoreResult, decide
from archive.repository.address_keys import has_key
from archive.repository.evidence import FactKind
from archive.repository.hash_chain import append_facts, append_facts_of_posts, append_versions
from archive.repository.post_queries import (
    IS_ITS_ADDRESS,
    IS_ITS_RESULT,
)
from archive.repository.search_index import index_posts
from archive.repository.versions import VERSION_AT, versions_of

_BATCH = 500  # posts per lookup: a statement takes 65,535 parameters


@dataclass(frozen=True, slots=True)
class StoredState:
    """The result of storing one state: its post, and whether it is now the post's current state."""

    result: StoreResult
    post_id: int
    is_current: bool


def put_posts(
    session: Session, run_id: int | None, states: Sequence[PostState], now: datetime
) -> list[StoredState]:
    """Store states of posts; return the results in their order. `now` is an aware UTC instant."""
    results: dict[int, StoredState] = {}
    versions: list[int] = []
    for places in _rounds(states):
        chosen = {place: states[place] for place in places}
        put, added = _put_round(session, run_id, chosen, now)
        results.update(put)
        versions.extend(added)
    index_posts(session, [put.post_id for put in results.values() if put.is_current])
    append_versions(session, versions)
    append_facts(session, FactKind.POST, [put.post_id for put in results.values()])
    return [results[place] for place in range(len(states))]


def _rounds(states: Sequence[PostState]) -> list[list[int]]:
    """Group the states' indexes so that no group has a post twice; each is sorted, for locking in order."""
    seen: dict[PostIdentity, int] = defaultdict(int)
    rounds: dict[int, list[int]] = defaultdict(list)
    for place, state in enumerate(states):
        rounds[seen[state.identity]].append(place)
        seen[state.identity] += 1
    return [sorted(rounds[number], key=lambda place: states[place].identity) for number in sorted(rounds)]


def _put_round(
    session: Session, run_id: int | None, states: Mapping[int, PostState], now: datetime
) -> tuple[dict[int, StoredState], Sequence[int]]:
    """Store states of different posts; return the results by index, and the ids of the new versions."""
    inserted = _insert(session, list(states.values()), now)
    known = _lock_known(session, [s.identity for s in states.values() if s.identity not in inserted])
    results: dict[int, StoredState] = {}
    versions: list[dict[str, Any]] = []
    for place, state in states.items():
        post_id, number, before = known.get(state.identity) or (inserted[state.identity], 0, None)
        intent = decide(before, state.hash, state.source, whole=state.is_whole, fetched_at=state.fetched_at)
        results[place] = StoredState(intent.result, post_id, intent.make_current)
        if intent.add_version:
            versions.append(_version(post_id, number + 1, state, run_id, now))
        if before is not None:
            _update(session, post_id, state, intent)
            if intent.add_version and not intent.make_current and state.fetched_at and state.source == PAGE:
                again = _text_that_returned(session, post_id, state.fetched_at)
                common = {"number": number + 2, "run_id": run_id, "recorded_at": now}
                versions += [{**values, **common} for values in again]
    added: Sequence[int] = ()
    if versions:
        put, arrays = insert_arrays(Version, versions)
        added = session.scalars(put.returning(Version.id), arrays).all()
    _point_to_current_versions(session, [one.post_id for one in results.values()])
    return results, added


def _point_to_current_versions(session: Session, post_ids: Sequence[int]) -> None:
    """Let these posts name the newest version of their title and text, if there is one."""
    version = select(Version.id).where(Version.post_id == Post.id, Version.content_hash == Post.content_hash)
    version = version.order_by(Version.number.desc()).limit(1)
    current = version.scalar_subquery()
    is_other = Post.current_version_id.is_distinct_from(current)
    change = update(Post).where(Post.id.in_(post_ids), is_other).values(current_version_id=current)
    session.execute(change.execution_options(synchronize_session=False))
    for loaded in session:
        identity = inspect(loaded).identity
        if isinstance(loaded, Post) and identity and identity[0] in post_ids:
            session.expire(loaded, ["current_version_id", "text"])


def _text_that_returned(session: Session, post_id: int, instant: datetime) -> list[dict[str, Any]]:
    """Return a version for the first page after an instant that has the text from before it, if any.

    A page fetched at that instant has another text, and was found only now. The pages after a version, up to
    the next, have its text; only the first of them is the version's own.
    """
    at = select(Version, VERSION_AT.label("at")).where(Version.post_id == post_id)
    at = at.outerjoin(Capture, Capture.id == Version.capture_id).order_by(VERSION_AT, Version.number)
    found = session.execute(at).all()
    earlier = [row.Version for row in found if row.at <= instant]
    if not earlier or earlier[-1].capture_id is None:
        return []
    text, following = earlier[-1], next((row.at for row in found if row.at > instant), None)
    its_page = session.get_one(Capture, text.capture_id, options=[load_only(Capture.rendered)])
    pages = select(Capture.id).join(Address, Address.id == Capture.address_id)
    pages = pages.join(ParseResult, IS_ITS_RESULT)
    pages = pages.join(Post, IS_ITS_ADDRESS).where(Post.id == post_id, ParseResult.reason == "")
    pages = pages.where(ParseResult.outcome == Outcome.ARTICLE, Capture.rendered == its_page.rendered)
    pages = pages.where(Capture.fetched_at > instant)
    if following is not None:
        pages = pages.where(Capture.fetched_at < following)
    page_id = session.scalar(pages.order_by(Capture.fetched_at, Capture.id).limit(1))
    if page_id is None:
        return []
    values = {name: getattr(text, name) for name in ("title", "text", "content_hash", "parser_version")}
    return [{**values, "post_id": post_id, "source": PAGE, "capture_id": page_id}]


def _insert(session: Session, states: Sequence[PostState], now: datetime) -> dict[PostIdentity, int]:
    """Insert posts that do not exist yet; return their ids. Of two processes one inserts a post."""
    # Archived when the page was served, where that is known.
    times = [min(s.fetched_at, now) if s.fetched_at and s.is_dated else now for s in states]
    values = [
        {"first_archived_at": archived_at, **_identity(s), **_content(s), **_facts(s)}
        for s, archived_at in zip(states, times, strict=True)
    ]
    if not values:
        return {}
    row, arrays = insert_arrays(Post, values)
    row = row.on_conflict_do_nothing(constraint="uq__posts__account_id_aid")
    inserted = session.execute(row.returning(Post.account_id, Post.aid, Post.id), arrays)
    return {(account_id, aid): post_id for account_id, aid, post_id in inserted}


def _identity(state: PostState) -> dict[str, Any]:
    mid, _, idx = state.record.aid.partition("_")
    return {
        "account_id": state.account_id,
        "aid": state.record.aid,
        "mid": int(mid),
        "idx": int(idx),
        "url": storable(state.record.url),
    }


def _content(state: PostState) -> dict[str, Any]:
    return {
        "content_hash": state.hash,
        "title": storable(state.record.title),
        "published_on": date.fromisoformat(state.record.date),
        "account_name": storable(state.record.account),
        "source": PAGE if state.source == REPARSE else state.source,
    }


def _facts(state: PostState) -> dict[str, Any]:
    return {**page_facts(state.page), "capture_id": state.capture_id}


def _lock_known(
    session: Session, identities: Sequence[PostIdentity]
) -> dict[PostIdentity, tuple[int, int, StoredPost]]:
    """Lock existing posts in order; return id, number of the last version, and stored state of each."""
    known: dict[PostIdentity, tuple[int, int, StoredPost]] = {}
    for start in range(0, len(identities), _BATCH):
        known |= _lock_batch(session, identities[start : start + _BATCH])
    return known


def _lock_batch(
    session: Session, identities: Sequence[PostIdentity]
) -> dict[PostIdentity, tuple[int, int, StoredPost]]:
    chosen = tuple_(Post.account_id, Post.aid).in_(identities)
    columns = (Post.id, Post.account_id, Post.aid, Post.content_hash, Post.source, Capture.fetched_at)
    posts = select(*columns).outerjoin(Capture, Capture.id == Post.capture_id).where(chosen)
    posts = posts.order_by(Post.account_id, Post.aid.collate("C")).with_for_update(of=Post)
    locked = session.execute(posts).all()
    history = _histories(session, [row.id for row in locked])
    known: dict[PostIdentity, tuple[int, int, StoredPost]] = {}
    for row in locked:
        versions = history.get(row.id, [])  # none: no page was ever parsed whole
        last = max(versions, default=(0, None, ""))
        timeline = tuple(
            (at, hash_) for number, at, hash_ in sorted(versions, key=lambda one: (one[1], one[0]))
        )
        all_before = frozenset(hash_ for _, _, hash_ in versions)
        current = StoredPost(row.content_hash, row.source, all_before, row.fetched_at, last[2], timeline)
        known[row.account_id, row.aid] = row.id, last[0], current
    return known


def _histories(session: Session, post_ids: Sequence[int]) -> dict[int, list[tuple[int, datetime, str]]]:
    """Return by post the number, the time of its evidence, and the hash of each version."""
    rows = select(Version.post_id, Version.number, VERSION_AT, Version.content_hash)
    rows = rows.select_from(Version).outerjoin(Capture, Capture.id == Version.capture_id)
    history: dict[int, list[tuple[int, datetime, str]]] = defaultdict(list)
    for post_id, number, at, content_hash in session.execute(rows.where(Version.post_id.in_(post_ids))):
        history[post_id].append((number, at, content_hash))
    return history


def _version(
    post_id: int, number: int, state: PostState, run_id: int | None, now: datetime
) -> dict[str, Any]:
    return {
        "post_id": post_id,
        "number": number,
        "content_hash": state.hash,
        "title": storable(state.record.title),
        "text": storable(state.record.text),
        "source": state.source,
        "capture_id": state.capture_id,
        "run_id": run_id,
        "parser_version": state.parser_version,
        "recorded_at": now,
    }


def _update(session: Session, post_id: int, state: PostState, intent: Intent) -> None:
    """Bring an existing post up to date.

    Its URL changes only to gain a chksm, so that exports stay equal; the account's name only where it is not
    known, for a page names the account as it is called today.
    """
    if state.fetched_at and state.is_dated:
        is_earlier = Post.id == post_id, Post.first_archived_at > state.fetched_at
        session.execute(update(Post).where(*is_earlier).values(first_archived_at=state.fetched_at))
    if not intent.make_current:
        return
    values = _content(state) | (_facts(state) if state.page else {})
    values["account_name"] = func.coalesce(func.nullif(Post.account_name, ""), values["account_name"])
    session.execute(update(Post).where(Post.id == post_id).values(values))
    if "chksm=" in state.record.url:
        bare = ~Post.url.contains("chksm=")
        session.execute(update(Post).where(Post.id == post_id, bare).values(url=storable(state.record.url)))


def replace_state(
    session: Session, post_id: int, pages: Sequence[tuple[int | None, PostState]], now: datetime
) -> CurrentPage | None:
    """Give a post the state of its remaining pages, or without any that of its last version.

    `pages` are in the order in which they were fetched, each with its run; a text without a version gets one.
    Return the page that is now the current one.
    """
    hashes = set(session.scalars(select(Version.content_hash).where(Version.post_id == post_id)))
    number = session.scalar(select(func.max(Version.number)).where(Version.post_id == post_id)) or 0
    added: list[int] = []
    for run_id, state in pages:
        if state.is_whole and state.hash not in hashes:
            number += 1
            values = _version(post_id, number, state, run_id, now)
            added.append(session.execute(insert(Version).values(values).returning(Version.id)).scalar_one())
            hashes.add(state.hash)
    whole = [state for _, state in pages if state.is_whole]
    current = (whole or [state for _, state in pages] or [_last_version(session, post_id)])[-1]
    values = _content(current) | _facts(current)
    session.execute(update(Post).where(Post.id == post_id).values(values))
    _point_to_current_versions(session, [post_id])
    index_posts(session, [post_id])
    append_versions(session, added)
    append_facts_of_posts(session, [post_id])
    if current.page is None or current.capture_id is None:
        return None
    return CurrentPage(post_id, current.capture_id, current.page)


def _last_version(session: Session, post_id: int) -> PostState:
    post = session.get_one(Post, post_id)
    last = versions_of(session, post)[-1]
    day = post.published_on.isoformat()
    record = Record(post.aid, last.title, post.url, day, post.account_name, last.text)
    return PostState(post.account_id, record, last.source)


_LinkId = tuple[int, str, str]  # post, relation, key


def put_links(session: Session, pages: Sequence[CurrentPage]) -> None:
    """Store the links of posts. A link that only an earlier page had keeps that page's capture."""
    links: dict[_LinkId, tuple[int, LinkRef]] = {}
    for page in pages:
        links |= _links_of_page(page)
    values = [
        {
            "post_id": post_id,
            "capture_id": capture_id,
            "relation": relation,
            "key": key,
            "url": storable(link.url),
            "text": storable(link.text),
            "position": link.position,
            "page_metadata": storable_json(link.facts),
        }
        for (post_id, relation, key), (capture_id, link) in sorted(links.items(), key=lambda item: item[0])
    ]
    row = postgresql.insert(PostLink)
    newest = {name: row.excluded[name] for name in ("capture_id", "url", "text", "position", "page_metadata")}
    row = row.on_conflict_do_update(constraint="uq__post_links__post_id_relation_key", set_=newest)
    if values:
        session.execute(row, values)
        append_facts(session, FactKind.POST_LINKS, [page.post_id for page in pages])


def _links_of_page(page: CurrentPage) -> dict[_LinkId, tuple[int, LinkRef]]:
    """Return the links of a page by post, relation and key: of equal ones the first, with the first text.

    A picture and the text below it often lead to the same post.
    """
    links: dict[_LinkId, tuple[int, LinkRef]] = {}
    for link in sorted(page.page.links, key=lambda link: link.position):
        link_id = (page.post_id, link.relation, index_key(link.key))
        _, first = links.setdefault(link_id, (page.capture_id, link))
        if not first.text:
            links[link_id] = page.capture_id, replace(first, text=link.text)
    return links


def links_of(session: Session, post: Post) -> list[PostLink]:
    """Return the links of a post's current page, by relation, in order."""
    return [] if post.capture_id is None else links_of_posts(session, [post.id])


def links_of_posts(session: Session, post_ids: Sequence[int]) -> list[PostLink]:
    """Return the links of these posts' current pages, by post and relation, in order."""
    return list(session.scalars(_link_rows(), {"ids": list(post_ids)}))


@cache
def _link_rows() -> Select[PostLink]:
    rows = select(PostLink).join(Post, Post.id == PostLink.post_id)
    rows = rows.where(Post.id == ANY_OF_IDS, PostLink.capture_id == Post.capture_id)
    return rows.order_by(PostLink.post_id, PostLink.relation, PostLink.position, PostLink.id)


def archived_posts(session: Session, keys: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return biz and aid of the archived posts that these address keys lead to, by key."""
    if not keys:
        return {}
    rows = (
        select(Address.key, Account.biz, Post.aid)
        .join(Post, IS_ITS_ADDRESS)
        .join(Account, Account.id == Post.account_id)
        .where(has_key(keys))
    )
    return {key: (biz, aid) for key, biz, aid in session.execute(rows)}
