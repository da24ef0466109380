"""What of a source's findings is believed: posts of the account it is asked for, of the past. Pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from archive.domain.addresses import Address, parse_address
from archive.domain.captures import Sighting
from archive.domain.errors import AddressError
from crawler.discovery.source import ETAG, MODIFIED, Found, Seen, State

AHEAD = timedelta(days=1)  # clocks differ, and a listing may tell only the day

MAX_SEEN = 20_000  # of one try

MAX_TITLE = 500  # characters; a text post is called by its whole body

MAX_LISTING = 4000  # characters of JSON


@dataclass
class _Count:
    foreign: int = 0
    future: int = 0
    no_post: int = 0
    beyond: int = 0


@dataclass(frozen=True)
class Screened:
    """A source's findings after the screening, and its sightings of the account's posts."""

    found: Found
    sightings: tuple[Sighting, ...]


def screen(found: Found, biz: str, name: str, now: datetime) -> Screened:
    """Keep what can be a post of the account; say what was dropped.

    A source whose posts are mostly another account's is FOREIGN: then all it says is doubtful, but what is
    this account's by its address is kept nevertheless.
    """
    count = _Count(beyond=max(0, len(found.seen) - MAX_SEEN))
    kept: dict[str, tuple[Address, Seen]] = {}
    for seen in found.seen[:MAX_SEEN]:
        address = _believed(seen, biz, now, count)
        if address is not None:
            kept.setdefault(address.url, (address, seen))
    sightings = tuple(_sighting(address, seen, biz, name, now) for address, seen in kept.values())
    return Screened(_judged(found, [seen for _, seen in kept.values()], count), sightings)


def _believed(seen: Seen, biz: str, now: datetime, count: _Count) -> Address | None:
    try:
        address = parse_address(seen.url)
    except AddressError:
        count.no_post += 1
        return None
    if address.biz and address.biz != biz:
        count.foreign += not seen.aside
        return None
    if seen.published_at and seen.published_at > now + AHEAD:
        count.future += 1
        return None
    return address


def _sighting(address: Address, seen: Seen, biz: str, name: str, now: datetime) -> Sighting:
    """Of a short link, the account it is expected to be of goes with it: only its page will tell."""
    listing = dict(seen.listing)
    if seen.published_at:
        listing["published_at"] = seen.published_at.isoformat()
    if len(json.dumps(listing, ensure_ascii=False)) > MAX_LISTING:
        listing = {"left_out": "too long"}
    return Sighting(address, name, now, seen.title[:MAX_TITLE], listing or None, expected_biz=biz)


def _judged(found: Found, kept: list[Seen], count: _Count) -> Found:
    warnings = (*found.warnings, *_told(count))
    newest = max((seen.published_at for seen in kept if seen.published_at), default=None)
    if found.state is State.UNCHANGED:
        newest = found.newest
    state, detail = found.state, found.detail
    if state is State.OK and count.foreign > sum(not seen.aside for seen in kept):
        state = State.FOREIGN
        detail = f"{count.foreign} of {count.foreign + len(kept)} posts are another account's"
    elif state is State.OK and found.seen and not kept:
        state, detail = State.NOT_UNDERSTOOD, "none of what it lists can be a post of the account"
    memory = found.memory
    if state is not found.state or count.future:  # the same answer again must not pass for a good one
        memory = {name: value for name, value in memory.items() if name not in (ETAG, MODIFIED)}
    return Found(state, detail, tuple(kept), newest, memory, warnings)


def _told(count: _Count) -> Iterable[str]:
    if count.foreign:
        yield f"{_posts(count.foreign)} of another account left out."
    if count.future:
        yield f"{_posts(count.future)} with a date in the future left out."
    if count.no_post:
        yield f"{count.no_post} {'address' if count.no_post == 1 else 'addresses'} of no post left out."
    if count.beyond:
        yield f"{_posts(count.beyond)} beyond the first {MAX_SEEN} left out."


def _posts(number: int) -> str:
    return f"{number} post{'' if number == 1 else 's'}"
