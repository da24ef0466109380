"""Finds which post a page is: account, ids, check value, address, publication instant."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from archive.domain.addresses import PostAddress, canonical_url, parse_address
from archive.domain.errors import AddressError
from archive.domain.records import SHANGHAI
from archive.domain.text import unescape
from crawler.parse.script_state import PageState

# WeChat's official accounts opened in August 2012; a time stamp outside this is not a publication time.
_EARLIEST, _LATEST = 1_340_000_000, 4_102_444_800

_BIZ = re.compile(r"[A-Za-z0-9+/]{4,40}={0,2}")

# As pages write it ("2025-11-07 08:31"), and as they show it ("2025年9月8日 10:53"); what follows is a place.
_WALL_CLOCK = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?"
    r"(?:[T\s]{1,9}(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?\s?(Z|[+-]\d{2}:?\d{2})?)?(?=\s|$)"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """The ids of a post as its page gives them; empty strings where it does not."""

    biz: str = ""
    mid: str = ""
    idx: str = ""
    sn: str = ""
    chksm: str = ""
    published_at: datetime | None = None  # aware, UTC

    @property
    def is_complete(self) -> bool:
        """Enough to be a post: account, mid, idx and an instant."""
        return bool(self.biz and self.mid and self.idx and self.published_at)

    @property
    def aid(self) -> str:
        """`<mid>_<idx>`."""
        return f"{self.mid}_{self.idx}"

    @property
    def url(self) -> str:
        """The address as the dump writes it."""
        return canonical_url(self.biz, self.mid, self.idx, self.sn, self.chksm)

    @property
    def date(self) -> str:
        """The publication date in Asia/Shanghai, YYYY-MM-DD; empty without an instant."""
        return self.published_at.astimezone(SHANGHAI).date().isoformat() if self.published_at else ""


def find_identity(
    state: PageState, url: str | None, own_links: Iterable[str] = (), shown_times: Iterable[str] = ()
) -> Identity:
    """Read the ids from the script state; where it leaves them empty, its own link has them, or else `url`.

    What the page says of itself comes first: `url` may be that of another post, which was asked for.
    `own_links` are what else the page says to be its address, `shown_times` the times that it shows,
    for one without a script state.
    """
    biz = state.text("biz", "data.bizuin")
    biz = biz if _BIZ.fullmatch(biz) else ""
    mid, idx = state.number("mid", "data.mid", "appmsgid"), state.number("idx", "data.idx", "itemidx")
    known = Identity(
        biz=biz,
        mid=str(mid or ""),
        idx=str(idx or ""),
        sn=state.text("sn", "data.sn"),
        published_at=find_instant(state, shown_times),
    )
    links = (state.text("msg_link", "data.link"), *own_links, url or "")
    addresses = [address for address in map(post_address, links) if address]
    for address in addresses:
        known = _completed(known, address)
    asked_first = (address for address in reversed(addresses) if address.chksm and _is_of(known, address))
    return replace(known, chksm=next((address.chksm for address in asked_first), ""))


def post_address(link: str) -> PostAddress | None:
    """Return the long address of a post, its account padded as base64 is; None where it is none.

    A page may repeat the address that was asked for, and some tools leave the padding out.
    """
    try:
        address = parse_address(_unescaped(link))
    except AddressError:
        return None
    padded = address.biz + "=" * (-len(address.biz) % 4)
    return replace(address, biz=padded) if address.mid else None


def _unescaped(link: str) -> str:
    return unescape(unescape(link))


def _completed(known: Identity, address: PostAddress) -> Identity:
    """Take what is missing from an address of the same post; another post's address tells nothing.

    The check value decides where the page does not give its own ids.
    """
    pairs = ((known.biz, address.biz), (known.mid, address.mid), (known.idx, address.idx))
    if any(mine and mine != theirs for mine, theirs in pairs) or not _BIZ.fullmatch(address.biz):
        return known
    if not known.mid and known.sn and address.sn not in ("", known.sn):
        return known
    sn = known.sn or address.sn
    return replace(known, biz=address.biz, mid=address.mid, idx=address.idx, sn=sn)


def _is_of(known: Identity, address: PostAddress) -> bool:
    ids = (address.biz, address.mid, address.idx)
    return ids == (known.biz, known.mid, known.idx) and address.sn == known.sn


def find_instant(state: PageState, shown_times: Iterable[str] = ()) -> datetime | None:
    """Return the publication instant in UTC; `ct` is in Unix seconds, written times are in Asia/Shanghai."""
    names = ("ct", "data.ori_create_time", "data.create_timestamp", "data.ori_send_time", "create_time",
             "oriCreateTime")  # fmt: skip
    for name in names:
        seconds = state.number(name)
        if seconds is not None and is_publication_time(seconds):
            return datetime.fromtimestamp(seconds, UTC)
    written = (state.text("data.create_time"), state.text("createTime"), state.text("publish_time"))
    clocks = (wall_clock(text) for text in (*written, *shown_times))
    return next((clock.instant for clock in clocks if clock), None)


def is_publication_time(seconds: int | None) -> bool:
    """Tell whether a number of Unix seconds can be the time of a post."""
    return seconds is not None and _EARLIEST < seconds < _LATEST


@dataclass(frozen=True, slots=True)
class WallClock:
    """A written time: its first instant, UTC, and its length in seconds (a day, minute or second)."""

    instant: datetime
    unit: int

    def includes(self, seconds: int) -> bool:
        """Tell whether an instant in Unix seconds is within the written time."""
        return 0 <= seconds - self.instant.timestamp() < self.unit


def wall_clock(written: str) -> WallClock | None:
    """Read a written time, in Beijing time unless it names its offset from UTC; None where it is none."""
    match = _WALL_CLOCK.match(written.strip())
    if not match:
        return None
    *parts, offset = match.groups()
    unit = 1 if parts[5] else 60 if parts[3] else 86400
    try:
        zone = datetime.fromisoformat(f"2000-01-01T00:00:00{offset}").tzinfo if offset else SHANGHAI
        local = datetime(*(int(part or 0) for part in parts), tzinfo=zone)  # type: ignore[misc,arg-type]
        instant = local.astimezone(UTC)
    except (ValueError, OverflowError):  # the second for the first day of year 1
        return None
    return WallClock(instant, unit) if is_publication_time(int(instant.timestamp())) else None
