"""Posts made from a dump, so that a reader of their pages gets every record back to the byte."""

import json
from pathlib import Path
from zlib import crc32

from archive.domain.addresses import parse_address
from archive.domain.outcomes import Kind
from archive.domain.records import Record
from tests.standin.account import Account, Post, at
from tests.standin.rule import markup_for


def dump_posts(path: Path) -> list[Post]:
    """One post per record of a dump file."""
    raw = json.loads(path.read_text(encoding="utf-8-sig"))
    return [post_from(Record.from_mapping(one), number) for number, one in enumerate(raw)]


def post_from(record: Record, number: int = 0) -> Post:
    """Return an ordinary article with the record's content, published at some minute of the record's day."""
    address = parse_address(record.url)
    bizuin = crc32(address.biz.encode())
    account = Account(bizuin, record.account, f"gh_{bizuin:012x}", given_biz=address.biz)
    return Post(
        name=record.aid,
        kind=Kind.ARTICLE,
        mid=int(address.mid),
        idx=int(address.idx),
        title=record.title,
        body=markup_for(record.text),
        created=at(f"{record.date} {8 + number % 12:02d}:{number % 60:02d}"),
        account=account,
        given_sn=address.sn,
        given_chksm=address.chksm,
    )
