"""What is fuzzed: each target takes any bytes, and may refuse them by the errors that it documents."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from bs4 import BeautifulSoup

from archive.backup.backup_file import opened
from archive.domain.errors import MessageError
from archive.rendering.sanitizer import make_safe
from archive.search.query import parse
from crawler.discovery.source import Reply
from crawler.discovery.sources.album import read_listing
from crawler.discovery.sources.backend import read_login
from crawler.discovery.sources.feed import read_entries
from crawler.discovery.sources.weread_list import read_weread_list
from crawler.parse.js_literals import assignments
from crawler.parse.page import read_page
from mparchive.importers.address_list import read_list
from mparchive.importers.dump import read_csv_dump, read_dump
from mparchive.importers.wacz import read_wacz
from mparchive.importers.warc import read_warc
from tests.standin.pages import all_pages

Target = Callable[[bytes], object]

_WANTED = frozenset({"biz", "mid", "idx", "msg_title", "nickname", "ct", "cgiData"})
_ACTIVE = ("script", "iframe", "object", "embed", "form", "link", "meta", "base", "frame")


class UnsafeMarkup(AssertionError):
    """The sanitizer let something through that runs or loads."""


def _sanitize(data: bytes) -> None:
    """Check that what is left neither runs nor loads anything."""
    safe = make_safe(data.decode("utf-8", "replace"), {}, lambda _: None)
    for element in BeautifulSoup(safe, "html.parser").find_all():
        if element.name in _ACTIVE:
            raise UnsafeMarkup(f"<{element.name}> in {safe!r}")
        for name, value in element.attrs.items():
            if name.startswith("on") or name in {"src", "srcset", "poster", "background"}:
                raise UnsafeMarkup(f"{name} in {safe!r}")
            if str(value).strip().lower().startswith(("javascript:", "data:", "vbscript:")):
                raise UnsafeMarkup(f"{name}={value!r} in {safe!r}")


def _weread(data: bytes) -> None:
    answer = json.loads(data)
    if isinstance(answer, dict):
        read_weread_list(answer, "MP_WXS_3999000001")


def _backup(data: bytes) -> None:
    with opened(Path("fuzzed"), io.BytesIO(data)) as backup:
        list(backup.problems())


def _reading(read: Callable[[io.BytesIO, str], Iterator[object]]) -> Target:
    return lambda data: sum(1 for _ in read(io.BytesIO(data), "fuzzed"))


TARGETS: dict[str, Target] = {
    "page": read_page,
    "script literals": lambda data: list(assignments(data, _WANTED)),
    "feed": read_entries,
    "album": lambda data: read_listing(Reply(200, "https://mp.weixin.qq.com/mp/appmsgalbum", (), data)),
    "WeRead list": _weread,
    "back-end login": lambda data: read_login(data.decode("utf-8", "replace")),
    "address list": _reading(read_list),
    "dump": _reading(read_dump),
    "CSV dump": _reading(read_csv_dump),
    "WARC": _reading(read_warc),
    "WACZ": _reading(read_wacz),
    "backup": _backup,
    "search query": lambda data: parse(data.decode("utf-8", "replace")),
    "sanitizer": _sanitize,
}

REFUSALS: dict[str, tuple[type[Exception], ...]] = {"WeRead list": (ValueError, RecursionError)}


def run(name: str, data: bytes) -> None:
    """Give bytes to a target. Raises what it should not have raised."""
    try:
        TARGETS[name](data)
    except MessageError:
        pass
    except REFUSALS.get(name, ()):
        pass


def seeds(name: str) -> Iterator[bytes]:
    """Yield synthetic inputs from which a target's inputs are made."""
    pages = [content for _, content, _, _ in all_pages(weight=2000)]
    scripts = [part.partition(b"</script>")[0] for page in pages[:6] for part in page.split(b"<script")[1:4]]
    yield from {
        "page": pages,
        "sanitizer": pages,
        "script literals": scripts,
        "feed": [_FEED],
        "album": [_ALBUM],
        "WeRead list": [_WEREAD],
        "dump": [_DUMP],
        "CSV dump": ["aid,标题title,链接url\n1_1,合成,http://mp.weixin.qq.com/s/a\n".encode()],
        "address list": [b"http://mp.weixin.qq.com/s/synthetic\n[a](https://mp.weixin.qq.com/s/b)\n", _DUMP],
        "WARC": [_WARC],
        "search query": ['合成 "虚构的" -通知'.encode()],
    }.get(name, [b""])


_FEED = (
    "<?xml version='1.0'?><rss version='2.0'><channel><title>合成</title><item><title>合成文章</title>"
    "<link>http://mp.weixin.qq.com/s/synthetic</link><pubDate>Mon, 03 Nov 2025 08:00:00 GMT</pubDate>"
    "<description>&lt;p&gt;虚构&lt;/p&gt;</description></item></channel></rss>"
).encode()
_ALBUM = json.dumps(
    {
        "base_resp": {"ret": 0},
        "getalbum_resp": {
            "continue_flag": "0",
            "base_info": {"article_count": "1"},
            "article_list": [{"url": "http://mp.weixin.qq.com/s/x", "title": "合成", "create_time": "1"}],
        },
    }
).encode()
_WEREAD = json.dumps(
    {"reviews": [{"subReviews": [{"reviewId": "1", "review": {"mpInfo": {"title": "合成", "time": 1}}}]}]}
).encode()
_DUMP = json.dumps(
    [{"文章标识符aid": "1_1", "标题title": "合成", "链接url": "http://mp.weixin.qq.com/s/a"}],
    ensure_ascii=False,
).encode()
_WARC = (
    b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://mp.weixin.qq.com/s/a\r\n"
    b"WARC-Date: 2025-11-03T00:00:00Z\r\nContent-Type: application/http; msgtype=response\r\n"
    b"Content-Length: 45\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\r\n\r\n\r\n"
)
