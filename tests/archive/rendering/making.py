"""Make posts to render: invented ones, or those of parsed pages with synthetic pictures."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from archive.db.models import Post
from archive.domain.errors import MediaMissing
from archive.domain.outcomes import Role
from archive.domain.parsed_page import MediaRef, ParsedPage
from archive.rendering.media import PostMedia
from archive.rendering.page import ShownPost
from archive.repository.media import ShownMedium, StoredFile
from tests.standin.media import picture

NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
URL = "http://mp.weixin.qq.com/s?__biz=MzA0NjAyNTQ5NQ==&mid=1001&idx=1&sn=5a&chksm=be48#rd"
IMAGE = "https://mmbiz.qpic.cn/mmbiz_png/synthetic_{}/0?wx_fmt=png"


def post(html: str | None = None, **more: Any) -> Post:
    """Make a post of the invented account; `html` is its body."""
    values = {
        "id": 1,
        "account_id": 1,
        "aid": "1001_1",
        "title": "合成标题",
        "url": URL,
        "published_on": date(2026, 3, 1),
        "published_at": datetime(2026, 2, 28, 16, 30, tzinfo=UTC),
        "account_name": "示例账号",
        "text": "第一段\r第二段\r",
        "kind": "article",
        "page_metadata": {},
        "capture_id": 1,
    }
    return Post(**{**values, "html": html, **more})


class Files:
    """Hold what a media folder has: synthetic pictures, by hash."""

    def __init__(self) -> None:
        self.contents: dict[bytes, bytes] = {}

    def keep(
        self, content: bytes, media_type: str = "image/png", size: tuple[int, int] = (240, 160)
    ) -> StoredFile:
        """Store a file."""
        sha256 = hashlib.sha256(content).digest()
        self.contents[sha256] = content
        ending = media_type.rpartition("/")[2]
        return StoredFile(sha256, len(content), media_type, *size, f"aa/bb/{sha256.hex()}.{ending}")

    def read(self, file: StoredFile) -> bytes:
        """Return the content of a file. Raises MediaMissing."""
        if file.sha256 not in self.contents:
            raise MediaMissing(f"{file.path} is not in the media folder")
        return self.contents[file.sha256]


def image(number: int, file: StoredFile | None = None, **more: Any) -> ShownMedium:
    """Make image `number` of a post."""
    url = IMAGE.format(number)
    values = {"role": "image", "position": number, "key": url, "url": url, "type": "image", "facts": {}}
    return ShownMedium(**{**values, "file": file, "last_outcome": None, "last_reason": "", **more})


def shown(post: Post, media: Iterable[ShownMedium] = (), files: Files | None = None) -> ShownPost:
    """Make a post with its media, as exports and pages get it."""
    sha256 = hashlib.sha256(b"the page").digest()
    read = (files or Files()).read
    return ShownPost(post, PostMedia(list(media), read), NOW, sha256)


def of_reading(reading: ParsedPage, *, filled: bool) -> ShownPost:
    """Make the post of a parsed page; with `filled`, all its images are archived."""
    record, files = reading.record, Files()
    assert record is not None
    made = post(
        reading.html or None,
        aid=record.aid,
        title=record.title,
        url=record.url,
        published_on=date.fromisoformat(record.date),
        published_at=reading.published_at,
        account_name=record.account,
        text=record.text,
        kind=str(reading.kind),
        page_metadata=reading.page,
    )
    return shown(made, [_medium(medium, files if filled else None) for medium in reading.media], files)


def _medium(medium: MediaRef, files: Files | None) -> ShownMedium:
    kept = files is not None and medium.role not in (Role.AUDIO, Role.VIDEO)
    name = f"synthetic_{hashlib.sha256(medium.key.encode()).hexdigest()[:8]}"
    file = files.keep(picture(name)) if files and kept else None
    url, kind = medium.url, str(medium.role.type)
    return ShownMedium(str(medium.role), medium.position, medium.key, url, kind, medium.facts, file, None, "")
