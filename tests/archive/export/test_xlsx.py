"""Tests that a workbook has every text exactly, as text, however long it is and whatever is in it."""

import io
import shutil
import subprocess
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from archive.export.xlsx import (
    COLUMNS,
    MAX_CELL,
    MORE_COLUMNS,
    TooManyRows,
    cell_parts,
    restore_xlsx_cell,
    write_xlsx,
    xlsx_cell,
)
from archive.ingest.pages import import_records
from archive.repository.post_queries import EVERY_POST, PostFilter
from tests.archive.making import NOW, record

TITLES = (
    *("=1+1", "+86", "-1", "@all", "\t缩进", "＝1", "'=1", '=HYPERLINK("http://a.example")'),
    *(
        "007",
        "2025-11",
        "NA",
        "1e5",
        "",
        " 空格 ",
        "一\n二",
        "一\r\n二",
        "长" * 300,
        "😀",
        "http://a.example",
    ),
    *("\x01\x0b\x1b\x1f", "\ufffe\uffff", "␛000A␛", "_x000D_ _x0041_", "<r><t>x</t></r>", "<r>", "{=A1}"),
)
TEXTS = ("第一段\r第二段\n仍是\r", "", "长" * (3 * MAX_CELL), "😀" * MAX_CELL, "\r=1\r", "<r>x\r</r>")


@pytest.fixture
def archived(db_session: Session) -> Session:
    """Archive posts whose titles and texts a spreadsheet may damage."""
    made = [record(n, title=title, text=TEXTS[n % len(TEXTS)]) for n, title in enumerate(TITLES, 1)]
    import_records(db_session, None, made, "dump", NOW)
    return db_session


WANTED = {f"{1000 + n}_1": (title, TEXTS[n % len(TEXTS)]) for n, title in enumerate(TITLES, 1)}


def written(session: Session, chosen: PostFilter = EVERY_POST) -> bytes:
    """Write the workbook of a filter."""
    out = io.BytesIO()
    write_xlsx(session, chosen, out)
    return out.getvalue()


def texts_in(content: bytes) -> dict[str, tuple[str, str]]:
    """Read title and text of each post back, and check that no cell is anything but text."""
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True)
    cells: defaultdict[tuple[str, str], str] = defaultdict(str)
    for row in rows_of(book["posts"], COLUMNS):
        cells |= {(row["aid"], name): row[name] for name in ("title", "text")}
    for number, row in enumerate(rows_of(book["continued"], MORE_COLUMNS), 1):
        assert int(row["part"]) > 1, number
        cells[row["aid"], row["column"]] += row["text"]
    book.close()
    restored = {key: restore_xlsx_cell(cell, key[1]) for key, cell in cells.items()}
    return {aid: (restored[aid, "title"], restored[aid, "text"]) for aid, name in restored if name == "text"}


def rows_of(sheet: object, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Yield the rows of a sheet below its header."""
    rows = sheet.iter_rows()  # type: ignore[attr-defined]
    assert tuple(cell.value for cell in next(rows)) == columns
    for row in rows:
        assert {cell.data_type for cell in row} <= {"s", "n", "inlineStr"}, [cell.data_type for cell in row]
        assert all(isinstance(cell.value, str | None) for cell in row)
        yield dict(zip(columns, (cell.value or "" for cell in row), strict=True))


def test_a_workbook_has_every_title_and_text_as_text(archived: Session) -> None:
    content = written(archived)
    assert texts_in(content) == WANTED
    sheets = zipfile.ZipFile(io.BytesIO(content))
    assert all(b"<f>" not in sheets.read(name) for name in sheets.namelist() if "sheet" in name)


def test_a_workbook_opens_in_libreoffice_without_formulas(archived: Session, tmp_path: Path) -> None:
    if not shutil.which("soffice"):
        pytest.skip("no LibreOffice")
    (tmp_path / "posts.xlsx").write_bytes(written(archived))
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    command = ["soffice", "--headless", profile, "--convert-to", "xlsx:Calc MS Excel 2007 XML"]
    saved = [*command, "--outdir", str(tmp_path / "saved"), str(tmp_path / "posts.xlsx")]
    subprocess.run(saved, check=True, capture_output=True, timeout=200)
    content = (tmp_path / "saved" / "posts.xlsx").read_bytes()
    sheets = zipfile.ZipFile(io.BytesIO(content))
    assert all(b"<f" not in sheets.read(name) for name in sheets.namelist() if "worksheets/" in name)
    assert texts_in(content) == WANTED


def test_more_posts_than_rows_are_refused_and_leave_no_temporary_file(
    archived: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(TooManyRows, match="at most 5 rows"):
        write_xlsx(archived, EVERY_POST, io.BytesIO(), max_rows=6)
    assert [one for folder in tmp_path.iterdir() for one in folder.iterdir()] == []


def test_a_workbook_of_nothing_has_its_headers(db_session: Session) -> None:
    assert texts_in(written(db_session)) == {}


def test_a_full_disk_is_an_error_of_the_system(archived: Session) -> None:
    with Path("/dev/full").open("wb", buffering=0) as out, pytest.raises(OSError, match="No space left"):
        write_xlsx(archived, EVERY_POST, out)


@given(st.text() | st.text(alphabet="\r\n\t\x01␛_x000D<r>\ufffe"))
def test_what_excel_refuses_is_restored(text: str) -> None:
    for column in ("title", "text"):
        swapped = text.translate(str.maketrans("\r\n", "\n\r")) if column == "text" else text
        assert restore_xlsx_cell(xlsx_cell(swapped), column) == text


@given(st.text(alphabet="字😀", min_size=0, max_size=20))
def test_parts_of_a_cell_fit_and_join_to_the_text(text: str) -> None:
    whole = text * 3000
    parts = list(cell_parts(whole))
    assert "".join(parts) == whole
    assert all(len(part.encode("utf-16-le")) // 2 <= MAX_CELL for part in parts)


def test_a_filter_selects_the_posts(archived: Session) -> None:
    import_records(archived, None, [replace(record(900), date="2026-04-01", title="四月")], "dump", NOW)
    in_april = PostFilter(since=NOW.date().replace(month=4, day=1))
    assert {title for title, _ in texts_in(written(archived, in_april)).values()} == {"四月"}
