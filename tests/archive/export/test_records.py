"""Out again: byte for byte, in every format."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from archive.domain.records import FIELDS, Record, neutralize_cell, restore_cell
from archive.export.records import write_csv, write_dump, write_jsonl
from archive.ingest.pages import import_records
from archive.repository import post_queries
from tests.archive.conftest import StartChild
from tests.archive.making import NOW, any_record, record

POSTS = 100_000
MOST = 200 * 1024  # kB of resident memory
WITHOUT_SEARCH = "SET LOCAL session_replication_role = replica"  # the index is not what is measured
MANY = """
    WITH many AS (
        INSERT INTO posts (account_id, aid, mid, idx, title, url, published_on, account_name, content_hash,
                           source, current_version_id)
        SELECT a.id, n || '_1', n, 1, '标题' || n, 'http://mp.weixin.qq.com/s?mid=' || n,
               DATE '2020-01-01' + n / 50, a.name, '1:0', 'dump', 1000000 + n
        FROM accounts AS a, generate_series(1, :count) AS n RETURNING *
    )
    INSERT INTO versions (id, post_id, number, title, text, content_hash, source, recorded_at)
    OVERRIDING SYSTEM VALUE
    SELECT current_version_id, id, 1, title, :text || mid, content_hash, source, now() FROM many
"""
TRICKY = [
    record(1, text='a,"b"\r\rc\r\n', title="=1+1"),
    record(2, text=" \r", title=""),
    record(3, text="&nbsp;\u2028\u3000😀"),
]


def test_the_real_dump_comes_out_as_it_went_in(db_session: Session, shared: Path) -> None:
    (path,) = (shared / "dump").glob("*.json")
    records = [Record.from_mapping(raw) for raw in json.loads(path.read_bytes())]
    import_records(db_session, None, records, "dump", NOW)
    out = io.BytesIO()
    assert write_dump(post_queries.records(db_session), out) == len(records)
    assert out.getvalue() == path.read_bytes()


def test_a_dump_is_what_json_dumps_writes() -> None:
    for records in ([], TRICKY[:1], TRICKY):
        out = io.BytesIO()
        write_dump(iter(records), out)
        assert out.getvalue() == json.dumps([r.as_dict() for r in records], ensure_ascii=False).encode()


@pytest.mark.slow
@given(st.lists(any_record, max_size=3))
@example(TRICKY)
def test_jsonl_has_one_record_a_line(records: list[Record]) -> None:
    out = io.BytesIO()
    assert write_jsonl(iter(records), out) == len(records)
    *lines, after = out.getvalue().split(b"\n")
    assert [json.loads(line) for line in lines] == [r.as_dict() for r in records]
    assert after == b""


@given(st.lists(any_record, max_size=3))
@example(TRICKY)
def test_csv_comes_back_through_pythons_own_reader(records: list[Record]) -> None:
    out = io.BytesIO()
    assert write_csv(iter(records), out) == len(records)
    assert out.getvalue().startswith(b"\xef\xbb\xbf")
    rows = csv.DictReader(io.StringIO(out.getvalue().decode("utf-8-sig"), newline=""))
    assert rows.fieldnames == list(FIELDS)
    restored = [{name: restore_cell(cell) for name, cell in row.items()} for row in rows]
    assert restored == [r.as_dict() for r in records]


@given(st.text("'=+-@\t\r\n＝＋－＠a ", max_size=6))
def test_no_cell_begins_like_a_formula_and_every_cell_can_be_restored(cell: str) -> None:
    neutral = neutralize_cell(cell)
    assert neutral.lstrip("\r\n")[:1] not in tuple("=+-@\t＝＋－＠")
    assert neutral in (cell, f"'{cell}")
    assert restore_cell(neutral) == cell


def test_cells_that_begin_otherwise_are_exported_as_they_are() -> None:
    for cell in ("标题", "a=1", "'引号", " =1", "", "2026-03-01", "1001_1", "\r第一段", "'\r段"):
        assert neutralize_cell(cell) == cell


def test_records_come_newest_day_first_then_newest_push_then_by_place(db_session: Session) -> None:
    days = ["2026-03-02", "2026-03-01"]
    aids = ["1000_1", "999_1", "999_2", "999_10"]
    made = [
        Record(aid, "题", _url(day, aid), day, "示例账号", "文") for day in days for aid in _of(day, aids)
    ]
    import_records(db_session, None, made[::-1], "dump", NOW)
    assert list(post_queries.records(db_session)) == made


def _of(day: str, aids: list[str]) -> list[str]:
    return [aid if day.endswith("02") else f"5{aid}" for aid in aids]


def _url(day: str, aid: str) -> str:
    mid, _, idx = aid.partition("_")
    return record().url.replace("mid=1001&idx=1", f"mid={mid}&idx={idx}")


def test_a_hundred_thousand_posts_leave_in_every_format_in_under_200_mb(
    engine: Engine, fresh_database_url: str, start_child: StartChild
) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO accounts (biz, name) VALUES ('MzA0', '示例账号')"))
        connection.execute(text(WITHOUT_SEARCH))
        connection.execute(text(MANY), {"count": POSTS, "text": "公告第一段\r&nbsp;" * 150})
    child = start_child("export", MPARCHIVE_DATABASE_URL=fresh_database_url)
    said, _ = child.communicate()
    *counts, peak = map(int, said.split())
    assert counts == [POSTS] * 3
    assert peak < MOST
