"""A dump served as pages comes back record by record."""

import gzip
import json
import os
from pathlib import Path

import pytest

from archive.domain.records import Record
from crawler.parse.page import read_page
from tests.standin import Standin
from tests.standin.client import get
from tests.standin.dump import dump_posts
from tests.standin.post_page import render
from tests.standin.rule import final_content

SHARED = Path(os.environ.get("MPARCHIVE_SHARED", Path(__file__).resolve().parents[3] / "shared"))
DUMP = SHARED / "dump" / "shanghai-jxw-20251111.json"
SYNTHETIC = Record(
    "2650009001_2",
    "合成, 记录 & “引号”",
    "http://mp.weixin.qq.com/s?__biz=MzAwMDAwMDAwMA==&mid=2650009001&idx=2&sn=ab12&chksm=cd34#rd",
    "2025-11-01",
    "合成账号",
    "第一段 &lt;1&gt;&nbsp;。\r 第二段\r\r",
)


def _write(path: Path, records: list[Record]) -> Path:
    path.write_text("[" + ", ".join(record.as_json() for record in records) + "]", encoding="utf-8")
    return path


def test_a_record_served_as_a_page_is_read_back_whole(tmp_path: Path) -> None:
    dump = _write(tmp_path / "dump.json", [SYNTHETIC])
    with Standin(dump=dump) as standin:
        answer = get(standin.origin, SYNTHETIC.url)
    assert read_page(answer.body, SYNTHETIC.url).record == SYNTHETIC


def test_every_record_of_the_real_dump_is_read_back_whole() -> None:
    if not DUMP.is_file():
        pytest.skip(f"{DUMP} is not here")
    posts = dump_posts(DUMP)
    assert len(posts) == 97
    for post in posts:
        reading = read_page(b"".join(render(post, 0)), post.url)
        assert reading.record is not None
        assert reading.record.text == final_content(post.body)
        served = (post.aid, post.title, post.url, post.local_time[:10], post.account.nickname)
        assert (reading.record.aid, reading.record.title, reading.record.url) == served[:3]
        assert (reading.record.date, reading.record.account) == served[3:]


def test_the_bodies_made_for_the_real_dump_give_its_texts_by_the_rule() -> None:
    if not DUMP.is_file():
        pytest.skip(f"{DUMP} is not here")
    records = [Record.from_mapping(raw) for raw in json.loads(DUMP.read_text(encoding="utf-8-sig"))]
    assert [final_content(post.body) for post in dump_posts(DUMP)] == [record.text for record in records]
    assert [post.url for post in dump_posts(DUMP)] == [record.url for record in records]


def test_saved_pages_are_served_by_name_and_by_the_ids_in_them(tmp_path: Path) -> None:
    post = dump_posts(_write(tmp_path / "dump.json", [SYNTHETIC]))[0]
    page = b"".join(render(post, 0))
    (tmp_path / "saved.html.gz").write_bytes(gzip.compress(page))
    (tmp_path / "notice.html").write_bytes(b"<html>kept</html>")
    with Standin(captures=tmp_path) as standin:
        assert get(standin.origin, "/captures/saved.html").body == page
        assert get(standin.origin, "/captures/notice.html").body == b"<html>kept</html>"
        assert get(standin.origin, post.bare_url).body == page
