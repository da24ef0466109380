"""Invented accounts and the shape of their posts. Nothing here exists: all names and texts are synthetic."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property

from archive.domain.addresses import canonical_url
from archive.domain.outcomes import Kind, Outcome

SHANGHAI = timezone(timedelta(hours=8))


@dataclass(frozen=True)
class Account:
    """One official account."""

    bizuin: int
    nickname: str
    user_name: str
    alias: str = "synthetic_account"
    signature: str = "合成账号，仅供测试"
    given_biz: str = ""  # of an account taken from a dump

    @property
    def biz(self) -> str:
        """`__biz`, the account's number in base64."""
        return self.given_biz or base64.b64encode(str(self.bizuin).encode()).decode()


COMMISSION = Account(3999000001, "合成云屿经信", "gh_5f00d0000001", "synthetic_yunyu")
NEIGHBOUR = Account(3999000002, "合成海梁工信", "gh_5f00d0000002", "synthetic_hailiang")


@dataclass(frozen=True)
class Picture:
    """One picture, by its invented address."""

    url: str
    width: int = 1080
    height: int = 720


@dataclass(frozen=True)
class Video:
    """One video in a post, by its invented id; its addresses are signed and expire."""

    id: str
    seconds: int = 30

    @property
    def poster(self) -> str:
        """The address of its still."""
        return f"http://mmbiz.qpic.cn/mmbiz_jpg/synthetic_still_{self.id}/0?wx_fmt=jpeg"

    def url(self, form: str) -> str:
        """Return the address of one of its forms, as signed on a day in 2026."""
        return f"http://mpvideo.qpic.cn/synthetic_{self.id}.{form}.mp4?dis_k=5ca1ab1e&dis_t=1794000000"


@dataclass(frozen=True)
class Neighbour:
    """The post before or after in an album: `side` is pre or next."""

    side: str
    title: str
    url: str


@dataclass(frozen=True)
class Post:
    """One post: what its page is made from. `body` is HTML for articles and shares, else plain text."""

    name: str
    kind: Kind
    mid: int
    title: str
    body: str
    created: datetime  # aware UTC
    idx: int = 1
    account: Account = COMMISSION
    author: str = "合成编辑部"
    digest: str = ""
    source_url: str = ""
    original: bool = False
    album: str = ""
    pictures: tuple[Picture, ...] = ()
    videos: tuple[Video, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    source: Account | None = None  # of a share or reprint
    own_title: bool = True  # of a text post: False makes its body its title
    body_in_page: bool = True  # of a share: False leaves #js_content empty, the body in a script only
    seconds: int = 0  # of an audio or video post
    given_sn: str = ""  # of a post taken from a dump
    given_chksm: str = ""

    @property
    def aid(self) -> str:
        """`<mid>_<idx>`."""
        return f"{self.mid}_{self.idx}"

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(f"{self.account.biz}:{self.aid}".encode()).hexdigest()

    @property
    def sn(self) -> str:
        """The check value in the address, 32 hex digits."""
        return self.given_sn or self._digest[:32]

    @property
    def chksm(self) -> str:
        """The check sum without which the server asks for verification."""
        return self.given_chksm or self._digest + self._digest[:8]

    @property
    def token(self) -> str:
        """The 22 characters of the short link."""
        return base64.urlsafe_b64encode(bytes.fromhex(self._digest[32:64]))[:22].decode()

    @property
    def url(self) -> str:
        """The address as dumps and listings write it, with chksm."""
        return canonical_url(self.account.biz, str(self.mid), str(self.idx), self.sn, self.chksm)

    @property
    def bare_url(self) -> str:
        """The address without chksm, as links inside articles have it."""
        return canonical_url(self.account.biz, str(self.mid), str(self.idx), self.sn)

    @property
    def short_url(self) -> str:
        """The short link."""
        return f"https://mp.weixin.qq.com/s/{self.token}"

    @property
    def timestamp(self) -> int:
        """`ct`: seconds since 1970."""
        return int(self.created.timestamp())

    @property
    def local_time(self) -> str:
        """`createTime`: the minute in Asia/Shanghai."""
        return self.created.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")

    @property
    def shown_title(self) -> str:
        """What the page calls it: a text post without a title of its own is called by its whole body."""
        return self.title if self.own_title else self.body


@dataclass(frozen=True)
class Expected:
    """What a correct reader says about one address."""

    name: str
    url: str
    outcome: Outcome
    kind: Kind | None = None
    fields: dict[str, str] | None = None  # the six of the record; None where no post is
    published_at: datetime | None = None
    needs_browser: bool = False
    drawn_text: str = ""  # finalContent of the page after its scripts ran, where that is more
    drawn_outcome: Outcome | None = None  # what the page is after its scripts ran, where it differs
    short_url: str = ""
    biz: str = ""
    aid: str = ""


def at(text: str) -> datetime:
    """Return a time written as `YYYY-MM-DD HH:MM` in Asia/Shanghai, as aware UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)
