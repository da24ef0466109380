"""Drops from a source's findings what cannot be a post of the account: other accounts, the future. No I/O."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from archive.domain.addresses import PostAddress, parse_address, without_session
from archive.domain.captures import SightingData
from archive.domain.errors import AddressError
from archive.domain.messages import Message
from archive.domain.monitoring import ANNOUNCED
from crawler.discovery.source import ETAG, MODIFIED, ListedPost, SourceFindings, State

MAX_AHEAD = timedelta(days=1)  # clocks differ, and a listing may give only the day

MAX_POSTS = 20_000  # of one run

MAX_ANNOUNCED = 200  # posts without an address that are remembered of a source, the newest

MAX_TITLE = 500  # characters; the title of a text post is its whole body

MAX_LISTING = 4000  # characters of JSON


@dataclass
class _Dropped:
    foreign: int = 0
    future: int = 0
    no_post: int = 0
    beyond: int = 0

    def warnings(self) -> Iterable[Message]:
        """Yield a warning for each reason that dropped something."""
        if self.foreign:
            yield Message("crawler.screening.foreign", {"n": self.foreign})
        if self.future:
            yield Message("crawler.screening.future", {"n": self.future})
        if self.no_post:
            yield Message("crawler.screening.no_post", {"n": self.no_post})
        if self.beyond:
            yield Message("crawler.screening.beyond", {"n": self.beyond, "limit": MAX_POSTS})


@dataclass(frozen=True)
class Screened:
    """A source's findings after the screening, and its sightings of the account's posts."""

    findings: SourceFindings
    sightings: tuple[SightingData, ...]


def screen(findings: SourceFindings, biz: str, name: str, now: datetime) -> Screened:
    """Keep what can be a post of the account, and add warnings about what was dropped.

    A source whose posts are mostly another account's is FOREIGN; what is this account's by its address is
    kept nevertheless.
    """
    dropped = _Dropped(beyond=max(0, len(findings.posts) - MAX_POSTS))
    kept: dict[str, tuple[PostAddress, ListedPost]] = {}
    for post in findings.posts[:MAX_POSTS]:
        address = _address_of(post, biz, now, dropped)
        if address is not None:
            kept.setdefault(address.url, (address, post))
    findings = _with_announced(findings, now)
    sightings = tuple(_sighting(address, post, biz, name, now) for address, post in kept.values())
    return Screened(_judged(findings, [post for _, post in kept.values()], dropped), sightings)


def _with_announced(findings: SourceFindings, now: datetime) -> SourceFindings:
    """Remember the posts that have no address in the source's memory, with when each was first seen."""
    if not findings.announced:
        return findings
    entries = {
        (one.get("title"), one.get("published_at")): one for one in findings.memory.get(ANNOUNCED) or ()
    }
    for post in findings.announced:
        published = post.published_at.isoformat() if post.published_at else None
        if not post.title or (post.published_at and post.published_at > now + MAX_AHEAD):
            continue
        title = post.title[:MAX_TITLE]
        entry = {"title": title, "published_at": published, "first_seen_at": now.isoformat()}
        entries.setdefault((title, published), entry)
    newest = sorted(
        entries.values(), key=lambda one: one["published_at"] or one["first_seen_at"], reverse=True
    )
    return replace(findings, memory=findings.memory | {ANNOUNCED: newest[:MAX_ANNOUNCED]})


def _address_of(post: ListedPost, biz: str, now: datetime, dropped: _Dropped) -> PostAddress | None:
    """Return the address of a listed post; None, and a count, when it is to be dropped."""
    try:
        address = parse_address(post.url)
    except AddressError:
        dropped.no_post += 1
        return None
    if address.biz and address.biz != biz:
        dropped.foreign += not post.aside
        return None
    if post.published_at and post.published_at > now + MAX_AHEAD:
        dropped.future += 1
        return None
    return address


def _sighting(address: PostAddress, post: ListedPost, biz: str, source: str, now: datetime) -> SightingData:
    """Return the sighting; with the expected account, which of a short link only its page will confirm."""
    listing = {
        key: without_session(value) if isinstance(value, str) else value
        for key, value in post.listing.items()
    }
    if post.published_at:
        listing["published_at"] = post.published_at.isoformat()
    if len(json.dumps(listing, ensure_ascii=False)) > MAX_LISTING:
        listing = {"left_out": "too long"}
    return SightingData(address, source, now, post.title[:MAX_TITLE], listing or None, expected_biz=biz)


def _judged(findings: SourceFindings, kept: list[ListedPost], dropped: _Dropped) -> SourceFindings:
    newest = max((post.published_at for post in kept if post.published_at), default=None)
    if not findings.posts:
        newest = findings.newest
    state, detail = findings.state, findings.detail
    if state in (State.OK, State.PARTLY) and dropped.foreign > sum(not post.aside for post in kept):
        state = State.FOREIGN
        numbers = {"foreign": dropped.foreign, "total": dropped.foreign + len(kept)}
        detail = Message("crawler.screening.mostly_foreign", numbers)
    elif state in (State.OK, State.PARTLY) and findings.posts and not kept:
        state, detail = State.NOT_UNDERSTOOD, Message("crawler.screening.nothing_left")
    memory = findings.memory
    if state is not findings.state or dropped.future:  # the same response again must not count as unchanged
        memory = {name: value for name, value in memory.items() if name not in (ETAG, MODIFIED)}
    warnings = (*findings.warnings, *dropped.warnings())
    return replace(
        findings,
        state=state,
        detail=detail,
        posts=tuple(kept),
        newest=newest,
        memory=memory,
        warnings=warnings,
    )
