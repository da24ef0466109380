"""Record what a response means for its address and for the aliases of it: the other addresses of its post.

Rows are locked in the order that archive.ingest.pages states. Instants are aware UTC.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import and_, exists, func, or_, select, tuple_, update
from sqlalchemy.orm import Session, aliased

from archive.db.models import (
    Account,
    Address,
    Capture,
    ParseResult,
    Post,
    Source,
)
from archive.domain.addresses import PostAddress, canonical_url, parse_address, post_key
from archive.domain.errors import AddressError
from archive.domain.messages import Message
from archive.domain.outcomes import FORGOTTEN, NO_ANSWER, NOT_RENDERED, Outcome
from archive.domain.parsed_page import LinkRef, ParsedPage
from archive.domain.text import storable
from archive.domain.update_decisions import next_fetch
from archive.repository.address_keys import LOCK_ORDER, has_key
from archive.repository.bare_addresses import IS_BARE, REFUSED
from archive.repository.evidence import FactKind
from archive.repository.hash_chain import append_facts

_BATCH = 500  # keys per statement

FOREIGN_POST = "archive.post.foreign"  # code of the reason of a post of another account

FORGOTTEN_POST = "archive.post.forgotten"  # code of the reason of a post that was removed on purpose

FETCHED_AT_ALIAS = "archive.address.fetched_at_alias"

_POST_KEY = Account.biz + ":" + func.replace(Post.aid, "_", ":")


def archived_keys(session: Session, addresses: Sequence[PostAddress]) -> set[str]:
    """Return the keys of those addresses whose post has its page archived, whichever address gave it."""
    keys_found: set[str] = set()
    long = [address for address in addresses if address.aid]
    for start in range(0, len(long), _BATCH):
        batch = long[start : start + _BATCH]
        keys = [address.key for address in batch]
        rows = select(_POST_KEY).select_from(Post).join(Account, Account.id == Post.account_id)
        rows = rows.where(Post.aid.in_([address.aid for address in batch]), _POST_KEY.in_(keys))
        keys_found.update(session.scalars(rows.where(Post.capture_id.is_not(None))))
    return keys_found


def keys_of_posts(parsed: Sequence[ParsedPage]) -> dict[str, ParsedPage]:
    """Return the parse results that are posts, by the keys of their long addresses."""
    return {
        post_key(page.biz, page.record.aid): page
        for page in parsed
        if page.outcome is Outcome.ARTICLE and page.biz and page.record
    }


def with_chksm(page: ParsedPage, urls: Mapping[str, str]) -> ParsedPage:
    """Return a parse result with the best URL known of its post; a short link's page may not give its chksm.

    `urls` are URLs by address key.
    """
    record = page.record
    if record is None or not page.biz or "chksm=" in record.url:
        return page
    known = urls.get(post_key(page.biz, record.aid), "")
    if "chksm=" not in known:
        return page
    return replace(page, record=replace(record, url=_canonical(parse_address(known))))


def add_chksm(session: Session, addresses: Sequence[PostAddress]) -> None:
    """Give archived posts whose URL lacks chksm the one of these addresses; they are locked in order."""
    seen = {address.key: address for address in addresses if address.chksm and address.aid}
    bare = sorted(_posts_without_chksm(session, list(seen.values())))
    for start in range(0, len(bare), _BATCH):
        batch = {post_id: key for _, _, post_id, key in bare[start : start + _BATCH]}
        rows = select(Post.id).where(Post.id.in_(batch)).order_by(Post.account_id, Post.aid.collate("C"))
        for post_id in session.scalars(rows.with_for_update()).all():
            url = storable(_canonical(seen[batch[post_id]]))
            is_bare = Post.id == post_id, ~Post.url.contains("chksm=")
            session.execute(update(Post).where(*is_bare).values(url=url))
        append_facts(session, FactKind.POST, batch)


def _posts_without_chksm(
    session: Session, addresses: Sequence[PostAddress]
) -> list[tuple[int, str, int, str]]:
    """Return account, aid, id and key of the posts of these addresses whose URL has no chksm."""
    posts: list[tuple[int, str, int, str]] = []
    for start in range(0, len(addresses), _BATCH):
        batch = addresses[start : start + _BATCH]
        rows = select(Post.account_id, Post.aid, Post.id, _POST_KEY).join(
            Account, Account.id == Post.account_id
        )
        rows = rows.where(Post.aid.in_([one.aid for one in batch]), _POST_KEY.in_([one.key for one in batch]))
        for account_id, aid, post_id, key in session.execute(rows.where(~Post.url.contains("chksm="))):
            posts.append((account_id, aid, post_id, key))
    return posts


def _canonical(address: PostAddress) -> str:
    return canonical_url(address.biz, address.mid, address.idx, address.sn, address.chksm)


@dataclass(frozen=True, slots=True)
class _Observed:
    """The newest of these parse results at one address."""

    page: ParsedPage
    is_rendered: bool
    was_parsed: bool  # before, by an earlier parser
    is_last: bool  # no later response of the address is stored


def record_outcomes(
    session: Session, results: Sequence[tuple[int, ParsedPage]], accounts: Mapping[str, int], now: datetime
) -> dict[str, str]:
    """Record what parse results, by capture id, mean for their addresses and the aliases of these.

    Bare addresses of posts that these pages link to with chksm are due at once with it. Return the best
    URLs of the addresses, and of the posts parsed, by key.
    """
    observed = _observed_by_address(session, dict(results))
    parsed = [page for _, page in results]
    posts, linked = keys_of_posts(parsed), _links_with_chksm(parsed)
    rows = _locked_addresses(session, observed, posts, linked)
    for row in rows:
        if row.id not in observed:
            if row.key in posts:
                _record_fetched_alias(row)
            else:
                _give_chksm(row, linked[row.key], now)
            continue
        one = observed[row.id]
        if not one.was_parsed:
            _record_outcome(row, one.page, one.is_rendered, now)
        elif one.is_last:
            _correct_outcome(row, one.page, one.is_rendered, now)
        if one.page.record and one.page.biz:
            row.account_id, row.aid = accounts[one.page.biz], one.page.record.aid
    urls = {row.key: row.url for row in rows}  # before the update, after which each key is read again
    session.flush()
    return urls


def _links_with_chksm(parsed: Sequence[ParsedPage]) -> dict[str, PostAddress]:
    """Return where posts link to others of their own account with chksm, by key."""
    return {
        link.key: parse_address(link.url)
        for page in parsed
        for link in page.links
        if page.biz and link.key.startswith(f"{page.biz}:") and _gives_chksm(link)
    }


def _gives_chksm(link: LinkRef) -> bool:
    try:
        address = parse_address(link.url)
    except AddressError:
        return False
    return bool(address.chksm) and address.key == link.key


def _give_chksm(row: Address, address: PostAddress, now: datetime) -> None:
    """Let a bare address be fetched with its chksm, at once unless its post came by another one."""
    row.url = storable(address.url)
    if row.last_outcome in (None, *REFUSED):
        row.next_fetch_at, row.attempts = now, 0


def _observed_by_address(session: Session, results: Mapping[int, ParsedPage]) -> dict[int, _Observed]:
    later, when = aliased(Capture), tuple_(Capture.fetched_at, Capture.id)
    is_last = ~exists().where(
        later.address_id == Capture.address_id, tuple_(later.fetched_at, later.id) > when
    )
    is_parsed = exists().where(ParseResult.capture_id == Capture.id)
    facts = Capture.rendered, is_parsed, is_last
    captures = select(Capture.id, Capture.address_id, *facts).where(Capture.id.in_(results))
    return {
        address_id: _Observed(results[capture_id], *flags)
        for capture_id, address_id, *flags in session.execute(captures.order_by(Capture.id))
        if address_id
    }


def _record_fetched_alias(row: Address) -> None:
    """Ask no more for an address that gave no post yet, or was forgotten: it was just fetched at another."""
    if row.last_outcome in (None, FORGOTTEN, *REFUSED):
        row.next_fetch_at, row.attempts = None, 0
        row.last_outcome, row.last_reason = Outcome.ARTICLE, Message(FETCHED_AT_ALIAS).dump()


def _record_outcome(row: Address, page: ParsedPage, is_rendered: bool, now: datetime) -> None:
    """Record a response. A post that only a browser has whole is asked again until one has rendered it."""
    needs_browser = page.outcome is Outcome.ARTICLE and page.needs_browser and not is_rendered
    is_final = page.outcome.is_final and not needs_browser
    row.attempts = 0 if is_final else row.attempts + 1
    row.last_outcome = NOT_RENDERED if needs_browser else page.outcome
    row.last_reason = storable(page.reason)
    row.last_tried_at = now
    outcome = None if needs_browser else page.outcome
    row.next_fetch_at = next_fetch(outcome, row.attempts, now, is_bare=parse_address(row.url).is_bare)


def _correct_outcome(row: Address, page: ParsedPage, is_rendered: bool, now: datetime) -> None:
    """Record what a later parser makes of the last response; nothing was asked now."""
    tried_at, before = row.last_tried_at, row.last_outcome
    if before in (page.outcome, NO_ANSWER) or (before == NOT_RENDERED and page.needs_browser):
        return
    _record_outcome(row, page, is_rendered, now)
    row.last_tried_at = tried_at


def record_failures(
    session: Session, run_id: int | None, failures: Sequence[tuple[int, str]], now: datetime
) -> None:
    """Record that addresses, by id, gave no response, each with its reason; they are asked again later."""
    reasons = dict(failures)
    for row in _locked_addresses(session, reasons):
        row.attempts += 1
        row.last_outcome, row.last_reason = NO_ANSWER, storable(reasons[row.id])
        row.last_tried_at = now
        row.next_fetch_at = next_fetch(None, row.attempts, now)
    session.flush()


def _locked_addresses(
    session: Session, ids: Collection[int], keys: Collection[str] = (), bare_keys: Collection[str] = ()
) -> Sequence[Address]:
    """Lock the addresses with these ids or keys, and those with `bare_keys` that have no chksm yet."""
    is_bare = and_(has_key(bare_keys), IS_BARE)
    wanted = or_(Address.id.in_(ids), has_key(keys), is_bare)
    rows = select(Address).where(wanted).order_by(*LOCK_ORDER)
    locked = session.scalars(rows.with_for_update()).all()
    append_facts(session, FactKind.ADDRESS, [row.id for row in locked])
    return locked


def drop_foreign_posts(
    session: Session, results: Sequence[tuple[int, ParsedPage]]
) -> list[tuple[int, ParsedPage]]:
    """Return parse results without the record where a post is of neither the expected nor a watched account.

    Its capture stays, with the reason. At an address that somebody gave by hand any account is expected.
    """
    biz_by_capture = {capture_id: page.biz for capture_id, page in results if page.biz and page.record}
    rows = select(Capture.id, Address.expected_biz).join(Address)
    rows = rows.where(Capture.id.in_(biz_by_capture), Address.expected_biz.is_not(None))
    foreign = {
        capture_id: expected
        for capture_id, expected in session.execute(rows)
        if expected and biz_by_capture[capture_id] != expected
    }
    watched = _watched_accounts(session, {biz_by_capture[capture_id] or "" for capture_id in foreign})
    dropped = {
        capture_id: Message(FOREIGN_POST, {"biz": biz_by_capture[capture_id], "expected": expected})
        for capture_id, expected in foreign.items()
        if biz_by_capture[capture_id] not in watched
    }
    dropped |= _forgotten_posts(session, dict(results))
    return [
        (capture_id, _without_record(page, dropped[capture_id]) if capture_id in dropped else page)
        for capture_id, page in results
    ]


def _forgotten_posts(session: Session, results: Mapping[int, ParsedPage]) -> dict[int, Message]:
    """Return why pages are not stored whose post was removed on purpose, unless somebody gave the address."""
    keys = keys_of_posts(list(results.values()))
    rows = select(Address.key).where(has_key(keys), Address.last_outcome == FORGOTTEN)
    forgotten = set(session.scalars(rows))
    if not forgotten:
        return {}
    listed = select(Capture.id).join(Address, Address.id == Capture.address_id)
    listed = listed.where(Capture.id.in_(results), Address.expected_biz.is_not(None))
    by_itself = set(session.scalars(listed))
    return {
        capture_id: Message(FORGOTTEN_POST)
        for capture_id, page in results.items()
        if capture_id in by_itself and not forgotten.isdisjoint(keys_of_posts([page]))
    }


def _watched_accounts(session: Session, bizs: set[str]) -> set[str]:
    """Return those of these accounts that have a source of new posts."""
    if not bizs:
        return set()
    rows = select(Account.biz).where(Account.biz.in_(bizs))
    return set(session.scalars(rows.where(Account.id.in_(select(Source.account_id)))))


def _without_record(page: ParsedPage, reason: Message) -> ParsedPage:
    return replace(page, record=None, biz=None, reason=reason.dump())
