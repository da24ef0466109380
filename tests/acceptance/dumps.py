"""Invented dumps, as the program before this one would have written them."""

import json
from pathlib import Path
from typing import Any

BIZ = "Mzk5OTAwMDAwMg=="
FIRST_MID = 2650002000


def record(number: int, **changed: Any) -> dict[str, Any]:
    """Return a made-up record; `changed` has English field names."""
    mid = FIRST_MID - number
    check = f"{number:032x}"
    fields = {
        "aid": f"{mid}_1",
        "title": f"合成：第{number}号虚构公告",
        "url": f"http://mp.weixin.qq.com/s?__biz={BIZ}&mid={mid}&idx=1&sn={check}&chksm={check * 2}#rd",
        "date": f"2025-{11 - number // 28:02d}-{28 - number % 28:02d}",
        "account": "合成测试账号",
        "text": f"\r第{number}号公告全文，纯属虚构。\r&nbsp;完",
        **changed,
    }
    names = ("文章标识符aid", "标题title", "链接url", "时间time", "公众号名称", "finalContent")
    return dict(zip(names, fields.values(), strict=True))


def dump_bytes(records: list[Any]) -> bytes:
    """Return a dump, byte for byte as json.dumps writes it."""
    return json.dumps(records, ensure_ascii=False).encode()


def write_dump(path: Path, count: int) -> Path:
    """Return a made-up dump of a number of posts, newest first."""
    path.write_bytes(dump_bytes([record(number) for number in range(count)]))
    return path
