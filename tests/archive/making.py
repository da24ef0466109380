"""Make synthetic records, captures and parse results."""

import hashlib
import random
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from archive.domain.addresses import canonical_url
from archive.domain.captures import CaptureData
from archive.domain.outcomes import Kind, Outcome, Relation, Role
from archive.domain.parsed_page import LinkRef, MediaRef, ParsedPage
from archive.domain.records import Record
from archive.repository.media import StoredFile

BIZ = "MzA0NjAyNTQ5NQ=="
NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


def record(
    number: int = 1, *, text: str = "第一段\r第二段\r", title: str = "标题", chksm: str = "be48"
) -> Record:
    """Record `number` of the account, published on 2026-03-01."""
    url = canonical_url(BIZ, str(1000 + number), "1", "5a", chksm)
    return Record(f"{1000 + number}_1", title, url, "2026-03-01", "示例账号", text)


def capture(body: bytes = b"<html>", *, minutes: int = 0, **more: object) -> CaptureData:
    """Make a response served `minutes` after NOW."""
    url = "https://mp.weixin.qq.com/s?__biz=x"
    at = NOW + timedelta(minutes=minutes)
    return CaptureData(url, url, 200, (("Content-Type", "text/html"),), body, at, **more)  # type: ignore[arg-type]


def template(number: int, size: int = 20_000) -> bytes:
    """Make what the pages of one template share, by its number: scripts of its own, hard to compress."""
    numbers = random.Random(number)
    words = [f"{numbers.getrandbits(128):x}" for _ in range(size // 50)]
    return "".join(f"function f{word}(){{return 1}}" for word in words).encode()


def article(record: Record, **more: object) -> ParsedPage:
    """Make the parse result of a page with this record."""
    return ParsedPage(Outcome.ARTICLE, kind=Kind.ARTICLE, record=record, biz=BIZ, **more)  # type: ignore[arg-type]


def image(name: str, position: int = 0, role: Role = Role.IMAGE, **more: object) -> MediaRef:
    """Make an image with a URL of its own."""
    url = f"https://mmbiz.qpic.cn/mmbiz_png/{name}/640"
    return MediaRef(role, url, url, position, **more)  # type: ignore[arg-type]


def video(token: str = "a", hours: float = 2, name: str = "wxv_1") -> MediaRef:
    """Make a video whose URL is signed with a token and expires so many hours after NOW."""
    url = f"https://mpvideo.qpic.cn/{name}.mp4?token={token}"
    return MediaRef(Role.VIDEO, name, url, 0, expires_at=NOW + timedelta(hours=hours))


def link(number: int, relation: Relation = Relation.POST, **more: object) -> LinkRef:
    """Make a link to post `number` of the account, without chksm as most are."""
    key, url = f"{BIZ}:{1000 + number}:1", record(number, chksm="").url
    return LinkRef(relation, key, url, **{"position": 0, "text": "见前文"} | more)  # type: ignore[arg-type]


def kept_file(content: bytes = b"picture", path: str = "ab/cd/abcd.png") -> StoredFile:
    """Make a file of the media folder."""
    return StoredFile(hashlib.sha256(content).digest(), len(content), "image/png", 640, 480, path)


any_record = st.builds(
    Record,
    aid=st.from_regex(r"[0-9]{1,18}_[0-9]{1,3}", fullmatch=True),
    title=st.text(),
    url=st.text(),
    date=st.dates().map(str),
    account=st.text(),
    text=st.text() | st.text(alphabet='\r\n\t"\\,\0\u2028&nbsp;😀'),
)
