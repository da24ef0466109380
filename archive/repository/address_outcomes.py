"""Several addresses of one post, its long one and its short links: what one got, no other need get."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, select, tuple_, update
from sqlalchemy.orm import Session, aliased

from archive.db.models import Account, AddressRow, CaptureRow, Post, SourceRow
from archive.domain.addresses import Address, canonical_url, parse_address
from archive.domain.outcomes import NO_ANSWER, NOT_DRAWN, Outcome
from archive.domain.parsed_page import ParsedPage
from archive.domain.pg_text import storable
from archive.domain.update_decisions import next_fetch

BATCH = 500  # keys a statement

_KEY = Account.biz + ":" + func.replace(Post.aid, "_", ":")


def archived(session: Session, addresses: Sequence[Address]) -> set[str]:
    """Which of these keys are of posts whose page is archived, by whatever address it was fetched."""
    found: set[str] = set()
    long = [address for address in addresses if address.aid]
    for start in range(0, len(long), BATCH):
        batch = long[start : start + BATCH]
        keys = [address.key for address in batch]
        rows = select(_KEY).select_from(Post).join(Account, Account.id == Post.account_id)
        rows = rows.where(Post.aid.in_([address.aid for address in batch]), _KEY.in_(keys))
        found.update(session.scalars(rows.where(Post.capture_id.is_not(None))))
    return found


def keys_of(readings: Sequence[ParsedPage]) -> dict[str, ParsedPage]:
    """The long address's key of each post that was read."""
    return {
        f"{reading.biz}:{reading.record.aid.replace('_', ':')}": reading
        for reading in readings
        if reading.outcome is Outcome.ARTICLE and reading.biz and reading.record
    }


def mark_alias_fetched(row: AddressRow) -> None:
    """The post was just fetched at another address of it: nothing is left to ask for at one never asked."""
    if row.last_outcome is None and row.next_fetch_at is not None:
        row.next_fetch_at = None
        row.last_outcome, row.last_reason = Outcome.ARTICLE, "fetched at another address of the post"


def with_chksm(reading: ParsedPage, urls: Mapping[str, str]) -> ParsedPage:
    """The reading with the best address known of its post: a short link's page may not tell its chksm."""
    record = reading.record
    if record is None or not reading.biz or "chksm=" in record.url:
        return reading
    known = urls.get(f"{reading.biz}:{record.aid.replace('_', ':')}", "")
    if "chksm=" not in known:
        return reading
    return replace(reading, record=replace(record, url=_canonical(parse_address(known))))


def give_chksm(session: Session, addresses: Sequence[Address]) -> None:
    """Replace bare addresses of posts by those now seen with chksm; the posts are locked in order."""
    seen = {address.key: address for address in addresses if address.chksm and address.aid}
    bare = sorted(_bare(session, list(seen.values())))
    for start in range(0, len(bare), BATCH):
        batch = {post_id: key for _, _, post_id, key in bare[start : start + BATCH]}
        rows = select(Post.id).where(Post.id.in_(batch)).order_by(Post.account_id, Post.aid.collate("C"))
        for post_id in session.scalars(rows.with_for_update()).all():
            url = storable(_canonical(seen[batch[post_id]]))
            still = Post.id == post_id, ~Post.url.contains("chksm=")
            session.execute(update(Post).where(*still).values(url=url))


def _bare(session: Session, addresses: Sequence[Address]) -> list[tuple[int, str, int, str]]:
    """Account, aid, id and key of the posts of these addresses whose own lacks chksm."""
    found: list[tuple[int, str, int, str]] = []
    for start in range(0, len(addresses), BATCH):
        batch = addresses[start : start + BATCH]
        rows = select(Post.account_id, Post.aid, Post.id, _KEY).join(Account, Account.id == Post.account_id)
        rows = rows.where(Post.aid.in_([one.aid for one in batch]), _KEY.in_([one.key for one in batch]))
        for account_id, aid, post_id, key in session.execute(rows.where(~Post.url.contains("chksm="))):
            found.append((account_id, aid, post_id, key))
    return found


def _canonical(address: Address) -> str:
    return canonical_url(address.biz, address.mid, address.idx, address.sn, address.chksm)


BY_KEY = AddressRow.key.collate("C")


def settle_addresses(
    session: Session, readings: Sequence[tuple[int, ParsedPage]], accounts: Mapping[str, int], now: datetime
) -> dict[str, str]:
    """Note what addresses came to; the best URL of each, and of each post read, by key."""
    latest = _latest(session, dict(readings))
    rows = _locked_addresses(session, latest, keys_of([reading for _, reading in readings]))
    for row in rows:
        if row.id not in latest:
            mark_alias_fetched(row)
            continue
        reading, is_drawn, was_read, is_last = latest[row.id]
        if not was_read:
            _settle(row, reading, is_drawn, now)
        elif is_last:
            _settle_anew(row, reading, is_drawn, now)
        if reading.record and reading.biz:
            row.account_id, row.aid = accounts[reading.biz], reading.record.aid
    session.flush()
    return {row.key: row.url for row in rows}


def _latest(
    session: Session, readings: Mapping[int, ParsedPage]
) -> dict[int, tuple[ParsedPage, bool, bool, bool]]:
    """The last reading of each address; whether its page was drawn, read before, and is the last there is."""
    later, when = aliased(CaptureRow), tuple_(CaptureRow.fetched_at, CaptureRow.id)
    none_later = ~exists().where(
        later.address_id == CaptureRow.address_id, tuple_(later.fetched_at, later.id) > when
    )
    facts = CaptureRow.rendered, CaptureRow.outcome.is_not(None), none_later
    captures = select(CaptureRow.id, CaptureRow.address_id, *facts).where(CaptureRow.id.in_(readings))
    found = session.execute(captures.order_by(CaptureRow.id))
    return {
        address_id: (readings[number], is_drawn, was_read, is_last)
        for number, address_id, is_drawn, was_read, is_last in found
        if address_id
    }


def _settle(row: AddressRow, reading: ParsedPage, is_drawn: bool, now: datetime) -> None:
    """Note an answer. A post that only a browser has whole is asked again until one has drawn it."""
    lacks = reading.outcome is Outcome.ARTICLE and reading.needs_browser and not is_drawn
    is_final = reading.outcome.is_final and not lacks
    row.attempts = 0 if is_final else row.attempts + 1
    row.last_outcome = NOT_DRAWN if lacks else reading.outcome
    row.last_reason = storable(reading.reason)
    row.last_tried_at = now
    row.next_fetch_at = next_fetch(None if lacks else reading.outcome, row.attempts, now)


def _settle_anew(row: AddressRow, reading: ParsedPage, is_drawn: bool, now: datetime) -> None:
    """Note another outcome of the last answer; nothing was asked."""
    tried_at, before = row.last_tried_at, row.last_outcome
    if before in (reading.outcome, NO_ANSWER) or (before == NOT_DRAWN and reading.needs_browser):
        return
    _settle(row, reading, is_drawn, now)
    row.last_tried_at = tried_at


def record_failures(
    session: Session, run_id: int | None, failures: Sequence[tuple[int, str]], now: datetime
) -> None:
    """Note that addresses gave no answer at all, and why; they are asked again later."""
    reasons = dict(failures)
    for row in _locked_addresses(session, reasons):
        row.attempts += 1
        row.last_outcome, row.last_reason = NO_ANSWER, storable(reasons[row.id])
        row.last_tried_at = now
        row.next_fetch_at = next_fetch(None, row.attempts, now)
    session.flush()


def _locked_addresses(
    session: Session, ids: Mapping[int, Any], keys: Mapping[str, Any] | None = None
) -> Sequence[AddressRow]:
    wanted = AddressRow.id.in_(ids) | AddressRow.key.in_(keys or ())
    rows = select(AddressRow).where(wanted).order_by(BY_KEY)
    return session.scalars(rows.with_for_update()).all()


STRANGER = "a post of another account"  # how the reason of such a capture begins


def drop_foreign_posts(
    session: Session, readings: Sequence[tuple[int, ParsedPage]]
) -> list[tuple[int, ParsedPage]]:
    """The readings, without the record where a post is neither of the account expected nor of one watched.

    Its capture stays, with the reason; an address that somebody gave by hand expects nobody.
    """
    told = {capture_id: reading.biz for capture_id, reading in readings if reading.biz and reading.record}
    rows = select(CaptureRow.id, AddressRow.expected_biz).join(AddressRow)
    rows = rows.where(CaptureRow.id.in_(told), AddressRow.expected_biz.is_not(None))
    found = session.execute(rows)
    strangers = {number: expected for number, expected in found if expected and told[number] != expected}
    watched = _watched(session, {told[capture_id] or "" for capture_id in strangers})
    return [
        (capture_id, _stranger(reading, strangers[capture_id]))
        if capture_id in strangers and reading.biz not in watched
        else (capture_id, reading)
        for capture_id, reading in readings
    ]


def _watched(session: Session, bizs: set[str]) -> set[str]:
    """Which of these accounts new posts are looked for of."""
    if not bizs:
        return set()
    rows = select(Account.biz).where(Account.biz.in_(bizs))
    return set(session.scalars(rows.where(Account.id.in_(select(SourceRow.account_id)))))


def _stranger(reading: ParsedPage, expected: str) -> ParsedPage:
    reason = f"{STRANGER} ({reading.biz}) than the one its address was listed for ({expected})"
    return replace(reading, record=None, biz=None, reason=reason)
