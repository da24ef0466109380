"""Synthetic pages of posts, as small as a page can be that is read as one; nothing in them was published."""

from collections.abc import Mapping
from typing import Any

from archive.domain.parsed_page import LinkRef, MediaRef, ParsedPage
from crawler.parse.page import read_page

BIZ = "MzAwMDAwMDAwMA=="
OTHER = "MzAwMDAwMDAwMg=="


def page(
    body: str = "<p>字</p>", script: str = "", *, show_type: int = 0, around: str = "", after: str = ""
) -> bytes:
    """Return a page with this inside #js_content and these script values.

    `around` stands beside the body, `after` behind the script.
    """
    return f"""<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>
<div id="js_article"><h1>题</h1>{around}<div id="js_content">{body}</div></div>
<script>var biz = "{BIZ}"; var mid = "21"; var idx = "1"; var sn = "ab"; var ct = "1700000000";
var msg_title = '题'; var nickname = "号"; var item_show_type = "{show_type}"; {script}</script>{after}
</body></html>""".encode()


def read(body: str = "<p>字</p>", script: str = "", **more: Any) -> ParsedPage:
    """Parse such a page; it must be an article with a record."""
    reading = read_page(page(body, script, **more))
    assert reading.record is not None, reading.reason
    return reading


def post_url(mid: int, *, biz: str = BIZ, chksm: str = "") -> str:
    """Return the address of an invented post."""
    tail = f"&chksm={chksm}" if chksm else ""
    return f"http://mp.weixin.qq.com/s?__biz={biz}&mid={mid}&idx=1&sn=cd{tail}&scene=21#wechat_redirect"


def links(reading: ParsedPage, relation: str) -> list[LinkRef]:
    """Its links of one relation, in order."""
    found = [link for link in reading.links if link.relation == relation]
    assert [link.position for link in found] == list(range(len(found)))
    return found


def media(reading: ParsedPage, role: str) -> list[MediaRef]:
    """Its media of one role, in order."""
    found = [medium for medium in reading.media if medium.role == role]
    assert [medium.position for medium in found] == list(range(len(found)))
    return found


def js(values: Mapping[str, Any]) -> str:
    """Return an object as pages write it: strings in single quotes, numbers as strings times one."""
    pairs = (f"{name}: {_js(value)}" for name, value in values.items())
    return f"{{{', '.join(pairs)}}}"


def _js(value: Any) -> str:
    match value:
        case dict():
            return js(value)
        case list():
            return f"[{', '.join(map(_js, value))}]"
        case int():
            return f"'{value}' * 1"
    return "'" + str(value).replace("&", r"\x26amp;").replace("<", r"\x3c").replace("'", r"\x27") + "'"
