"""A dump in, the same dump out."""

import csv
import io
import json
from pathlib import Path

import pytest

from archive.domain.records import restore_cell
from tests.acceptance.command import Command
from tests.acceptance.dumps import dump_bytes, record, write_dump


@pytest.fixture
def real_dump(shared: Path) -> Path:
    (path,) = (shared / "dump").glob("*.json")
    return path


def test_the_real_dump_comes_out_as_it_went_in(mparchive: Command, real_dump: Path, tmp_path: Path) -> None:
    first = mparchive("backfill", real_dump, "--no-fetch", "--json")
    assert (first.code, first.json["counts"]["new"]) == (0, 97)
    exported = mparchive("export", "--output", tmp_path / "out.json")
    assert exported.code == 0
    assert (tmp_path / "out.json").read_bytes() == real_dump.read_bytes()


def test_a_second_import_finds_nothing_new(mparchive: Command, tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump.json", 30)
    mparchive("backfill", dump, "--no-fetch")
    second = mparchive("backfill", dump, "--no-fetch", "--json")
    assert (second.code, second.json["counts"]) == (0, {"known": 30})
    assert mparchive.number("SELECT count(*) FROM versions") == 30


def test_a_dump_is_taken_from_standard_input_with_bom_and_line_ends(mparchive: Command) -> None:
    records = [record(number) for number in range(3)]
    text = json.dumps(records, ensure_ascii=False, indent=1).replace("\n", "\r\n")
    assert mparchive("backfill", "-", "--no-fetch", stdin=text.encode("utf-8-sig")).code == 0
    assert mparchive("export").out == dump_bytes(records)


def test_an_edited_record_is_a_new_version_and_the_export_has_it(mparchive: Command) -> None:
    before, after = [record(1)], [record(1, text="\r改过的正文")]
    mparchive("backfill", "-", "--no-fetch", stdin=dump_bytes(before))
    changed = mparchive("backfill", "-", "--no-fetch", "--json", stdin=dump_bytes(after))
    assert changed.json["counts"]["changed"] == 1
    assert mparchive("export").out == dump_bytes(after)
    assert mparchive.number("SELECT count(*) FROM versions") == 2


def test_dates_and_limits_choose_what_is_taken(mparchive: Command, tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump.json", 20)  # 2025-11-28 back to 2025-11-09
    days = ("--since", "2025-11-20", "--until", "2025-11-24")
    assert mparchive("backfill", dump, "--no-fetch", *days, "--limit", 3, "--json").json["counts"]["new"] == 3
    taken = [row["时间time"] for row in json.loads(mparchive("export").out)]
    assert taken == ["2025-11-24", "2025-11-23", "2025-11-22"]


def test_a_dry_run_writes_nothing(mparchive: Command, tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump.json", 3)
    told = mparchive("backfill", dump, "--dry-run")
    assert told.code == 0
    assert "第2号虚构公告" in told.err
    assert mparchive.number("SELECT count(*) FROM runs") == 0


def test_tables_and_lines_hold_the_same_records(mparchive: Command, tmp_path: Path) -> None:
    records = json.loads(write_dump(tmp_path / "dump.json", 5).read_text(encoding="utf-8"))
    mparchive("backfill", tmp_path / "dump.json", "--no-fetch")
    table = mparchive("export", "--format", "csv").out.decode("utf-8-sig")
    rows = csv.DictReader(io.StringIO(table, newline=""))
    assert [{name: restore_cell(cell) for name, cell in row.items()} for row in rows] == records
    lines = mparchive("export", "--format", "jsonl").out.decode().splitlines()
    assert [json.loads(line) for line in lines] == records


def test_a_table_of_formulas_comes_out_as_it_went_in(mparchive: Command, tmp_path: Path) -> None:
    titles = ("=1+1", "'=1+1", "@甲", "'引用'", "题")
    records = [record(number, title=title) for number, title in enumerate(titles)]
    mparchive("backfill", "-", "--no-fetch", stdin=dump_bytes(records))
    table = mparchive("export", "--format", "csv").out
    again = mparchive("backfill", "-", "--no-fetch", "--json", stdin=table)
    assert (again.code, again.json["counts"]) == (0, {"known": 5})
    cells = list(csv.reader(io.StringIO(table.decode("utf-8-sig"), newline="")))
    assert [row[1] for row in cells[1:]] == ["'=1+1", "''=1+1", "'@甲", "'引用'", "题"]
    assert cells[1][5] == records[0]["finalContent"]


def test_accounts_are_exported_to_one_file_each(mparchive: Command, tmp_path: Path) -> None:
    other = {key: value.replace("Mzk5OTAwMDAwMg", "Mzk5OTAwMDAwMw") for key, value in record(2).items()}
    other["公众号名称"] = "另一合成账号"
    mparchive("backfill", "-", "--no-fetch", stdin=dump_bytes([record(1), other]))
    folder = tmp_path / "all"
    folder.mkdir()
    assert mparchive("export", "--output", folder).code == 0
    written = {path.name.split("_")[0]: path.read_bytes() for path in folder.iterdir()}
    assert written == {"合成测试账号": dump_bytes([record(1)]), "另一合成账号": dump_bytes([other])}
