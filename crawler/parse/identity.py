"""Which post a page is: account, ids, check value, address, publication instant."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from archive.domain import entities
from archive.domain.addresses import Address, canonical_url, parse_address
from archive.domain.errors import AddressError
from archive.domain.records import SHANGHAI
from crawler.parse.script_state import PageState

# WeChat's official accounts opened in August 2012; a time stamp outside this is not a publication time.
_EARLIEST, _LATEST = 1_340_000_000, 4_102_444_800

_BIZ = re.compile(r"[A-Za-z0-9+/]{4,40}={0,2}")

_MINUTE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?: (\d{2}):(\d{2}))?")


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


def find_identity(state: PageState, url: str | None, meta_url: str = "") -> Identity:
    """Read the ids from the script state; where old pages leave them empty, its own link or `url` tells."""
    biz = state.text("biz", "data.bizuin")
    biz = biz if _BIZ.fullmatch(biz) else ""
    mid, idx = state.number("mid", "data.mid", "appmsgid"), state.number("idx", "data.idx", "itemidx")
    known = Identity(
        biz=biz,
        mid=str(mid or ""),
        idx=str(idx or ""),
        sn=state.text("sn", "data.sn"),
        published_at=find_instant(state),
    )
    links = (url or "", state.text("msg_link", "data.link"), meta_url)
    for address in filter(None, (_address(link) for link in links)):
        known = _completed(known, address)
    return known


def _address(link: str) -> Address | None:
    try:
        address = parse_address(_unescaped(link))
    except AddressError:
        return None
    return address if address.mid else None


def _unescaped(link: str) -> str:
    return entities.unescape(entities.unescape(link))


def _completed(known: Identity, address: Address) -> Identity:
    """Take what is missing from an address of the same post; another post's address tells nothing."""
    pairs = ((known.biz, address.biz), (known.mid, address.mid), (known.idx, address.idx))
    if any(mine and mine != theirs for mine, theirs in pairs) or not _BIZ.fullmatch(address.biz):
        return known
    same_sn = not known.sn or known.sn == address.sn
    return Identity(
        biz=address.biz,
        mid=address.mid,
        idx=address.idx,
        sn=known.sn or address.sn,
        chksm=known.chksm or (address.chksm if same_sn else ""),
        published_at=known.published_at,
    )


def find_instant(state: PageState) -> datetime | None:
    """The publication instant, UTC: `ct` is in Unix seconds, written times are Beijing wall clock."""
    names = ("ct", "data.ori_create_time", "data.create_timestamp", "data.ori_send_time", "create_time",
             "oriCreateTime")  # fmt: skip
    for name in names:
        seconds = state.number(name)
        if seconds is not None and _EARLIEST < seconds < _LATEST:
            return datetime.fromtimestamp(seconds, UTC)
    return _wall_clock(state.text("data.create_time", "createTime", "publish_time"))


def _wall_clock(written: str) -> datetime | None:
    match = _MINUTE.fullmatch(written.strip())
    if not match:
        return None
    try:
        local = datetime(*(int(part or 0) for part in match.groups()), tzinfo=SHANGHAI)  # type: ignore[misc,arg-type]
        return local.astimezone(UTC)
    except (ValueError, OverflowError):  # the second for the first day of year 1
        return None
