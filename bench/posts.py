"""Make up any number of posts of realistic size, to be measured."""

import json
import random
from pathlib import Path

from archive.domain.addresses import canonical_url
from archive.domain.records import Record

BIZ = "Mzk5OTAwMDAwMQ=="
_WORDS = ("产业", "园区", "企业", "发展", "合成", "虚构", "项目", "会议", "通知", "服务", "创新", "制造")
PARAGRAPHS = 40  # of 60 words: 5 kB of text, the mean of a real dump


def write_posts(path: Path, number: int) -> list[str]:
    """Write a dump of made-up posts, and return their addresses."""
    addresses = []
    with path.open("w", encoding="utf-8") as dump:
        for place in range(number):
            record = made_record(place)
            dump.write(("," if place else "[") + json.dumps(record.as_dict(), ensure_ascii=False))
            addresses.append(record.url)
        dump.write("]")
    return addresses


def made_record(place: int) -> Record:
    """Return the record of the post with this number."""
    chance = random.Random(place)
    mid = str(2_650_000_000 + place)
    text = "".join("".join(chance.choices(_WORDS, k=60)) + "。\r" for _ in range(PARAGRAPHS))
    url = canonical_url(BIZ, mid, "1", f"{place:032x}", f"{place:084x}")
    return Record(f"{mid}_1", f"合成标题{place}", url, "2025-11-11", "合成账号", text)
