"""Reads a page's script state: what its own scripts say of the post, by one name for all templates.

Templates write the same value as `var ct = "…"` (articles since 2017), `window.ct = '…'` (picture and text
posts), `d.ct = "…"` (2018-2019 pages) or as a key of `cgiDataNew` (since 2025-11). The final values of
a rendered page come first.
"""

import re
from collections.abc import Iterable, Mapping
from types import NoneType
from typing import Any

from archive.domain.addresses import clean_url, clean_web_url
from archive.domain.text import unescape
from crawler.parse.js_literals import MAX_SIGNS, Decoded, assignments, signs_in

MAX_STATE = 6 * 1024 * 1024  # bytes of script read as state, all together; real pages have under 0.6 MB

# Fixed strings, because a search for them runs at memory speed over a megabyte of bundled script; each with
# the size in bytes above which a script that has it is WeChat's own program, not a post's state.
_MARKS = {
    b'var biz = "': 150_000, b"window.biz = '": 150_000, b'd.biz = "': 150_000,
    b"var msg_title = ": 150_000, b"picture_page_info_list = [": 150_000,
    b"album_info_list = [": 30_000, b"videoPageInfos = [": 30_000, b"cgiData = {": 30_000,
    b"ip_wording = {": 30_000, b"item_show_type = ": 30_000, b"transferTargetLink = ": 60_000,
    b"transfer_target_link = ": 60_000, b"voiceid": 30_000,
}  # fmt: skip

MAX_MARKED_SCRIPT = max(_MARKS.values())

# Its name stands alone in other scripts, so that most of them are searched only once.
_DATA, _DATA_MARKS, MAX_DATA_SCRIPT = b"cgiDataNew", (b"cgiDataNew = {", b"cgiDataNew={"), 4_000_000

_LOOSE = re.compile(rb"""(?:cgiDataNew|cgiData)\s*=\s*\{|\b(?:biz|msg_title|ct)\s*=\s*["']""")

MAX_LOOSE = 150_000  # bytes of a script that names the account in a way no known template does

# What text, audio and video posts say, in the middle of a program of 0.3 MB; other names in it mean nothing.
# Only pages before 2025-11 have it nowhere else.
_WORDS_MARK, MAX_WORDS_SCRIPT = b"ContentNoEncode = ", 1_000_000

_WORDS_NAMES = frozenset({"ContentNoEncode", "TextContentNoEncode", "videoContentNoEncode"})

_PAGE_MID = re.compile(rb"""PAGE_MID\s*=\s*["']([^"'\s]{1,100})["']""")

MAX_ADDRESS = 2000  # characters; longer ones fit no index, and real ones have under 700

MAX_WORDS = 1000  # characters of a name, a caption or the words of a link; an unclosed link holds half a post

STATE_NAMES = frozenset({
    "cgiDataNew", "cgiData", "biz", "mid", "idx", "sn", "ct", "title", "msg_title", "nickname", "nick_name",
    "name", "user_name", "alias", "author", "desc", "msg_desc", "msg_link", "msg_source_url", "msg_cdn_url",
    "cdn_url_1_1", "cdn_url_235_1", "item_show_type", "real_item_show_type", "_copyright_stat",
    "copyright_stat", "comment_id", "svr_time", "createTime", "oriCreateTime", "create_time",
    "publish_time", "appmsgid", "itemidx", "appmsgalbuminfo", "album_info_list", "album_keep_read_info",
    "picture_page_info_list", "videoPageInfos", "vid", "voiceid", "duration", "ip_wording",
    "transferTargetLink", "transfer_target_link", "source_encode_biz", "source_username",
    "source_mid", "source_idx", "is_pay_subscribe", "isPaySubscribe", "isPaid", "round_head_img",
    "ori_head_img_url", "profile_signature",
})  # fmt: skip

_NOTHING_IF_FALSE = (str, list, Mapping, NoneType)  # unlike 0 and False, which say something

_ACCOUNT_TITLE = "title"  # `var title` is the account's name; a post's title is `d.title`


class PageState:
    """Named values of a page; the first non-empty one of each name wins, evaluated ones before read ones."""

    def __init__(self, scripts: Iterable[bytes], evaluated: Mapping[str, Any] | None = None) -> None:
        self._values: dict[str, Any] = {}
        self._bytes_left = MAX_STATE
        self._signs_left = MAX_SIGNS
        self.page_mid = ""
        self.drawn = bool(evaluated)  # by a browser
        for name, value in (evaluated or {}).items():
            if name in STATE_NAMES and name != _ACCOUNT_TITLE:
                self._take(name, value)
        self._read(list(scripts))
        data = self._values.get("cgiDataNew")
        self.data: Mapping[str, Any] = data if isinstance(data, Mapping) else {}

    def _read(self, scripts: list[bytes]) -> None:
        chosen = [script for script in scripts if _has_state(script)]
        self._read_state(chosen)
        data = self._values.get("cgiDataNew")
        names_account = self._values.get("biz") or (isinstance(data, Mapping) and data.get("bizuin"))
        if not (chosen and names_account):
            read = set(chosen)
            self._read_state(script for script in scripts if script not in read and _is_loose(script))
        if "cgiDataNew" not in self._values:
            self._read_words(scripts)
        self.page_mid = next((mid for script in scripts if (mid := _page_mid(script))), "")

    def _read_state(self, scripts: Iterable[bytes]) -> None:
        for script in scripts:
            if not self._may_read(script):
                break
            for name, value in list(assignments(script, STATE_NAMES)):
                if name != _ACCOUNT_TITLE:
                    self._take(name.rpartition(".")[2], value)

    def _may_read(self, script: bytes) -> bool:
        """Whether the page has not had its share yet; the script counts from then on."""
        self._bytes_left -= len(script)
        if self._bytes_left >= 0:
            self._signs_left -= signs_in(script)
        return self._bytes_left >= 0 and self._signs_left >= 0

    def _read_words(self, scripts: Iterable[bytes]) -> None:
        for script in scripts:
            if len(script) <= MAX_WORDS_SCRIPT and _WORDS_MARK in script and self._may_read(script):
                for name, value in assignments(script, _WORDS_NAMES):
                    self._take(name, value)

    def _take(self, name: str, value: Any) -> None:
        if name == "cgiData" and isinstance(value, Mapping):
            for key, inner in value.items():
                if key != name:
                    self._take(key, inner)
        elif not self._values.get(name) and (value or not isinstance(value, _NOTHING_IF_FALSE)):
            self._values[name] = value

    def get(self, *names: str) -> Any:
        """Return the first of these names with a value; `data.x` is a key of cgiDataNew. None without one."""
        for name in names:
            value = self.data.get(name[5:]) if name.startswith("data.") else self._values.get(name)
            if value or not isinstance(value, _NOTHING_IF_FALSE):
                return value
        return None

    def text(self, *names: str) -> str:
        """Return the same as a string with entities decoded; empty without one."""
        for name in names:
            value = self.get(name)
            if isinstance(value, Decoded):
                return str(value)
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                return unescape(str(value))
        return ""

    def number(self, *names: str) -> int | None:
        """Return the first of these that is a whole number; None without one."""
        for name in names:
            value = str(self.get(name) or "")
            if re.fullmatch(r"[0-9]{1,18}", value):
                return int(value)
        return None

    def mapping(self, *names: str) -> Mapping[str, Any]:
        """Return the first of these that is an object; empty without one."""
        return next((value for name in names if isinstance(value := self.get(name), Mapping)), {})

    def items(self, *names: str) -> list[dict[str, Any]]:
        """Return the objects in the first of these that is a list."""
        found = next((value for name in names if isinstance(value := self.get(name), list)), [])
        return [item for item in found if isinstance(item, dict)]

    def __bool__(self) -> bool:
        return bool(self._values)


def _has_state(script: bytes) -> bool:
    size = len(script)
    if size <= MAX_DATA_SCRIPT and _DATA in script and any(mark in script for mark in _DATA_MARKS):
        return True
    return size <= MAX_MARKED_SCRIPT and any(
        size <= limit and mark in script for mark, limit in _MARKS.items()
    )


def _is_loose(script: bytes) -> bool:
    return len(script) <= MAX_LOOSE and bool(_LOOSE.search(script))


def _page_mid(script: bytes) -> str:
    position = script.find(b"PAGE_MID")
    while position != -1:
        if match := _PAGE_MID.match(script, position):
            return match[1].decode("ascii", "replace")
        position = script.find(b"PAGE_MID", position + 1)
    return ""


def web_url(value: Any) -> str:
    """Return a clean address; empty for what is no http(s) address or longer than MAX_ADDRESS."""
    url = clean_web_url(value) if isinstance(value, str) and len(value) <= 4 * MAX_ADDRESS else ""
    return url if len(url) <= MAX_ADDRESS else ""


def plain(info: Mapping[str, Any], name: str) -> str:
    """Return a string of an object, decoded; empty without one."""
    value = info.get(name)
    return unescape(unescape(value)).strip() if isinstance(value, str) else ""


def link_address(info: Mapping[str, Any], name: str) -> str:
    """Return an address of an object; empty without one."""
    value = info.get(name)
    found = clean_url(value) if isinstance(value, str) else ""
    return found if found.startswith("http") else ""


def words(text: str | None) -> str:
    """Return a text on one line, with entities decoded, of at most MAX_WORDS characters."""
    return " ".join(unescape((text or "")[: 4 * MAX_WORDS]).split())[:MAX_WORDS]


def whole(value: Any) -> int | None:
    """Return a whole number above 0, also written as a string; else None."""
    written = str(value).strip() if isinstance(value, int | str) else ""
    return int(written) or None if re.fullmatch(r"[0-9]{1,15}", written) else None


def known(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that have a value."""
    return {name: value for name, value in facts.items() if value not in ("", None, [], {}, False)}
