"""`mparchive export` writes each format to a file, a folder or stdout, and says how much it wrote."""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import openpyxl
import pytest
from pyarrow import parquet
from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.captures import store_captures
from mparchive.commands import export
from mparchive.errors import Exit
from tests.archive.making import BIZ, NOW, article, capture, image, record
from tests.mparchive.commands.conftest import Run


@pytest.fixture(scope="module")
def filled(module_engine: Engine) -> Engine:
    """Archive two posts, one of them with a page that shows an image."""
    with transaction(module_engine) as session:
        import_records(session, None, [record(2)], "dump", NOW)
        (number,) = store_captures(session, None, [(None, capture())])
        page = article(record(1), media=(image("a"),), html="<p>字</p>")
        store_parse_results(session, None, [(number, page)], NOW, 1)
    return module_engine


@pytest.fixture
def mparchive(filled: Engine, use: Callable[[Engine], Run]) -> Run:
    return use(filled)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_records_go_to_stdout_and_the_count_to_stderr(mparchive: Run) -> None:
    ended = mparchive("export")
    assert (ended.code, ended.err) == (Exit.DONE, "2 posts exported\n")
    assert [one["标题title"] for one in json.loads(ended.raw)] == ["标题"] * 2


def test_records_in_a_folder_are_a_file_for_each_account(mparchive: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    ended = mparchive("export", "--format", "jsonl", "--output", tmp_path / "out")
    assert ended.code == Exit.DONE
    (name,) = names(tmp_path / "out")
    assert name.startswith("示例账号_")
    assert name.endswith(".jsonl")
    assert len((tmp_path / "out" / name).read_text().splitlines()) == 2


def test_a_selection_of_days_and_of_an_account_is_heeded(mparchive: Run, tmp_path: Path) -> None:
    none = mparchive("export", "--format", "csv", "--output", tmp_path / "a.csv", "--until", "2026-02-28")
    assert (none.code, none.err) == (Exit.DONE, "0 posts exported\n")
    one = mparchive("export", "--format", "csv", "--output", tmp_path / "b.csv", "--account", BIZ)
    assert one.err == "2 posts exported\n"
    unknown = mparchive("export", "--account", "nobody")
    assert unknown.code == Exit.USAGE
    assert "nobody" in unknown.err
    reversed_days = mparchive("export", "--since", "2026-03-02", "--until", "2026-03-01")
    assert reversed_days.code == Exit.USAGE


def test_posts_need_a_folder_and_a_wacz_needs_a_file(mparchive: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for arguments, words in {
        ("html",): "--format html writes one file per post; name a folder with --output FOLDER",
        ("markdown", "--output", tmp_path / "file"): "file is a file; name a folder with --output FOLDER",
        ("wacz",): "a WACZ cannot be written to stdout; name a file with --output FILE.wacz",
    }.items():
        ended = mparchive("export", "--format", *arguments)
        assert (ended.code, ended.out) == (Exit.USAGE, "")
        assert words in ended.err
    assert (tmp_path / "file").read_text() == "x"


def test_captures_are_written_to_a_file_with_their_number(mparchive: Run, tmp_path: Path) -> None:
    ended = mparchive("export", "--format", "warc", "--output", tmp_path / "a.warc.gz")
    assert ended.code == Exit.DONE
    assert ended.err.splitlines()[-1] == "1 capture exported"
    assert (tmp_path / "a.warc.gz").read_bytes().startswith(b"\x1f\x8b")


def test_posts_are_written_to_a_file_each(mparchive: Run, tmp_path: Path) -> None:
    ended = mparchive("export", "--format", "markdown", "--output", tmp_path / "posts")
    assert (ended.code, ended.err) == (Exit.DONE, "2 posts exported\n")
    assert names(tmp_path / "posts") == ["2026-03-01-1001_1-标题.md", "2026-03-01-1002_1-标题.md"]


@pytest.mark.usefixtures("in_chinese")
def test_the_count_and_the_refusals_are_in_the_language_of_the_process(mparchive: Run) -> None:
    assert mparchive("export", "--format", "jsonl").err == "已导出 2 篇文章\n"
    assert (
        "WACZ 不能写到标准输出；请用 --output FILE.wacz 指定文件"
        in mparchive("export", "--format", "wacz").err
    )


def test_one_file_of_several_that_fails_is_named_and_the_others_are_written(
    mparchive: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()

    def fail(records: Iterable[object], *_: object, **__: object) -> int:
        raise ValueError(f"record {len(list(records))} is odd")

    monkeypatch.setitem(export.RECORDS, export.Format.JSONL, (fail, "jsonl"))
    ended = mparchive("export", "--format", "jsonl", "--output", tmp_path / "out")
    assert ended.code == Exit.PARTLY_FAILED
    assert "record 2 is odd" in ended.err
    assert "1 could not be written; everything else was" in ended.err
    assert names(tmp_path / "out") == []


def test_the_ending_of_the_file_decides_the_format(mparchive: Run, tmp_path: Path) -> None:
    assert mparchive("export", "--output", tmp_path / "a.csv").code == Exit.DONE
    assert (tmp_path / "a.csv").read_text("utf-8-sig").startswith('"文章标识符aid",')
    assert mparchive("export", "--output", tmp_path / "a.jsonl").code == Exit.DONE
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 2
    assert mparchive("export", "--output", tmp_path / "a.data").code == Exit.DONE
    assert len(json.loads((tmp_path / "a.data").read_text())) == 2


def test_a_format_that_contradicts_the_name_is_a_usage_error(mparchive: Run, tmp_path: Path) -> None:
    ended = mparchive("export", "--format", "jsonl", "--output", tmp_path / "a.csv")
    assert ended.code == Exit.USAGE
    assert ended.err.startswith("--format jsonl contradicts the name")
    assert names(tmp_path) == []


def test_a_full_disk_behind_stdout_is_one_sentence(filled: Engine, tmp_path: Path) -> None:
    command = str(Path(sys.executable).with_name("mparchive"))
    url = filled.url.render_as_string(hide_password=False)
    environment = {**os.environ, "MPARCHIVE_DATABASE_URL": url, "MPARCHIVE_HOME": str(tmp_path)}
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [command, "export", "--format", "dump"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment,
            check=False,
        )
    words = b"standard output cannot be written: no space left on device\n"
    assert (done.returncode, done.stderr) == (Exit.USAGE, words)


NEVER = ("--since", "2030-01-01")


@pytest.mark.parametrize(
    ("form", "name"), [("dump", "a.json"), ("csv", "a.csv"), ("warc", "a.warc.gz"), ("html", "index.html")]
)
def test_an_export_of_nothing_leaves_a_file_as_it_was(
    mparchive: Run, tmp_path: Path, form: str, name: str
) -> None:
    path = tmp_path / name
    path.write_text("before")
    output = tmp_path if form == "html" else path
    ended = mparchive("export", "--format", form, "--output", output, *NEVER)
    assert ended.code == Exit.USAGE
    assert f"there is nothing to export; {path} is left as it was" in ended.err
    assert path.read_text() == "before"
    assert names(tmp_path) == [name]


def test_an_export_of_nothing_makes_a_file_that_is_not_there(mparchive: Run, tmp_path: Path) -> None:
    assert mparchive("export", "--output", tmp_path / "a.json", *NEVER).code == Exit.DONE
    assert (tmp_path / "a.json").read_bytes() == b"[]"


def test_a_name_that_ends_in_a_slash_is_a_folder_which_is_made(mparchive: Run, tmp_path: Path) -> None:
    ended = mparchive("export", "--format", "csv", "--output", f"{tmp_path}/new/a.json/")
    assert ended.code == Exit.DONE
    (name,) = names(tmp_path / "new" / "a.json")
    assert name.endswith(".csv")
    again = mparchive("export", "--format", "csv", "--output", f"{tmp_path}/new/a.json/", *NEVER)
    assert (again.code, len(names(tmp_path / "new" / "a.json"))) == (Exit.USAGE, 1)


@pytest.mark.parametrize("form", ["dump", "html", "markdown", "warc", "epub"])
@pytest.mark.parametrize("below", ["x", "x/y", "", "x/"])
def test_a_path_below_a_file_is_one_sentence(mparchive: Run, tmp_path: Path, form: str, below: str) -> None:
    (tmp_path / "file").write_text("before")
    ended = mparchive("export", "--format", form, "--output", f"{tmp_path}/file/{below}")
    assert ended.code == Exit.USAGE
    (sentence,) = [line for line in ended.err.splitlines() if "cannot write" in line]
    assert f"{tmp_path}/file/" in sentence
    assert (tmp_path / "file").read_text() == "before"


def test_a_name_that_no_file_can_have_is_one_sentence(mparchive: Run, tmp_path: Path) -> None:
    ended = mparchive("export", "--output", tmp_path / ("a" * 300))
    assert ended.code == Exit.USAGE
    assert ended.err.startswith("cannot write ")


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.xlsx", b"PK"), ("a.sqlite", b"SQLite format 3"), ("a.db", b"SQLite"), ("a.parquet", b"PAR1")],
)
def test_tables_are_written_by_the_ending_of_the_file(
    mparchive: Run, tmp_path: Path, name: str, start: bytes
) -> None:
    ended = mparchive("export", "--output", tmp_path / name)
    assert (ended.code, ended.err) == (Exit.DONE, "2 posts exported\n")
    content = (tmp_path / name).read_bytes()
    assert content.startswith(start)
    nothing = mparchive("export", "--output", tmp_path / name, *NEVER)
    assert nothing.code == Exit.USAGE
    assert (tmp_path / name).read_bytes() == content
    assert names(tmp_path) == [name]


def test_text_files_are_one_for_each_post_in_a_folder(mparchive: Run, tmp_path: Path) -> None:
    ended = mparchive("export", "--format", "txt", "--output", tmp_path / "posts")
    assert (ended.code, ended.err) == (Exit.DONE, "2 posts exported\n")
    assert names(tmp_path / "posts") == ["2026-03-01-1001_1-标题.txt", "2026-03-01-1002_1-标题.txt"]
    for more in ((), ("--format", "txt")):
        refused = mparchive("export", "--output", tmp_path / "posts.txt", *more)
        assert refused.code == Exit.USAGE
        assert "--format txt writes one file per post; name a folder" in refused.err
    assert names(tmp_path) == ["posts"]


@pytest.mark.parametrize(("form", "start"), [("epub", b"PK"), ("docx", b"PK"), ("pdf", b"%PDF")])
def test_documents_are_one_for_each_post_in_a_folder_or_one_book(
    mparchive: Run, tmp_path: Path, form: str, start: bytes
) -> None:
    folder = mparchive("export", "--format", form, "--output", tmp_path / "posts")
    assert (folder.code, folder.err.splitlines()[-1]) == (Exit.DONE, "2 posts exported")
    expected = [f"2026-03-01-1001_1-标题.{form}", f"2026-03-01-1002_1-标题.{form}"]
    assert names(tmp_path / "posts") == expected
    book = mparchive("export", "--output", tmp_path / f"a.{form}")
    assert (book.code, book.err.splitlines()[-1]) == (Exit.DONE, "2 posts exported")
    content = (tmp_path / f"a.{form}").read_bytes()
    assert content.startswith(start)
    nothing = mparchive("export", "--output", tmp_path / f"a.{form}", *NEVER)
    assert nothing.code == Exit.USAGE
    assert "is left as it was" in nothing.err
    assert (tmp_path / f"a.{form}").read_bytes() == content
    assert mparchive("export", "--format", form, "--query", "1002_1").raw.startswith(start)


def test_an_invalid_address_of_the_archive_is_one_sentence(
    mparchive: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPARCHIVE_PUBLIC_URL", "no address")
    ended = mparchive("export", "--output", tmp_path / "a.epub")
    assert ended.code == Exit.USAGE
    assert "MPARCHIVE_PUBLIC_URL" in ended.err
    assert names(tmp_path) == []


@pytest.mark.parametrize("form", ["xlsx", "sqlite", "parquet", "docx"])
def test_tables_are_not_written_to_a_terminal_but_to_a_pipe(
    mparchive: Run, filled: Engine, tmp_path: Path, form: str
) -> None:
    command = [str(Path(sys.executable).with_name("mparchive")), "export", "--format", form]
    url = filled.url.render_as_string(hide_password=False)
    environment = {**os.environ, "MPARCHIVE_DATABASE_URL": url, "MPARCHIVE_HOME": str(tmp_path)}
    main_end, terminal = os.openpty()
    try:
        done = subprocess.run(command, stdout=terminal, stderr=subprocess.PIPE, env=environment, check=False)
    finally:
        os.close(terminal)
        os.close(main_end)
    assert done.returncode == Exit.USAGE
    assert b"cannot be shown on a terminal; name a file with --output FILE" in done.stderr
    assert len(mparchive("export", "--format", form).raw) > 1000


@pytest.mark.parametrize("form", ["xlsx", "sqlite", "parquet", "epub"])
def test_a_full_disk_is_one_sentence(filled: Engine, tmp_path: Path, form: str) -> None:
    command = [str(Path(sys.executable).with_name("mparchive")), "export", "--format", form]
    url = filled.url.render_as_string(hide_password=False)
    environment = {**os.environ, "MPARCHIVE_DATABASE_URL": url, "MPARCHIVE_HOME": str(tmp_path)}
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment, check=False)
    words = b"standard output cannot be written: no space left on device\n"
    assert (done.returncode, done.stderr) == (Exit.USAGE, words)


@pytest.mark.parametrize("form", ["dump", "jsonl", "csv", "xlsx", "sqlite", "parquet"])
def test_words_a_kind_and_marks_select_posts_as_in_a_search(
    mparchive: Run, tmp_path: Path, form: str
) -> None:
    for number, (options, count) in enumerate(
        [
            (("--query", "标题"), "2 posts"),
            (("--query", "第一段 -第二段"), "0 posts"),
            (("--query", "1002_1"), "1 post"),
            (("--kind", "article"), "1 post"),
            (("--changed",), "0 posts"),
            (("--changed", "edited", "--query", "标题"), "0 posts"),
        ]
    ):
        ended = mparchive("export", "--format", form, "--output", tmp_path / f"{number}.out", *options)
        assert (ended.code, ended.err) == (Exit.DONE, f"{count} exported\n"), options


def test_words_select_captures_and_files_of_posts_as_well(mparchive: Run, tmp_path: Path) -> None:
    ended = mparchive("export", "--output", tmp_path / "a.warc.gz", "--query", "1002_1")
    assert ended.err.splitlines()[-1] == "0 captures exported"
    ended = mparchive("export", "--output", tmp_path / "b.wacz", "--kind", "article")
    assert ended.err.splitlines()[-1] == "1 capture exported"
    ended = mparchive("export", "--format", "txt", "--output", tmp_path / "t", "--query", "1002_1")
    assert names(tmp_path / "t") == ["2026-03-01-1002_1-标题.txt"]


def test_a_query_that_cannot_be_run_and_an_unknown_format_are_usage_errors(mparchive: Run) -> None:
    excluded = mparchive("export", "--query=-招聘")
    assert (excluded.code, excluded.out) == (Exit.USAGE, "")
    assert mparchive("export", "--format", "rtf").code == Exit.USAGE


@pytest.fixture
def edited(engine: Engine, use: Callable[[Engine], Run]) -> Run:
    """Archive a post whose page was edited a day after the first capture, and another post only then."""
    with transaction(engine) as session:
        for text, minutes in (("旧文", 0), ("新文", 24 * 60)):
            (number,) = store_captures(session, None, [(None, capture(text.encode(), minutes=minutes))])
            page = article(record(1, title=f"{text}标题", text=f"{text}\r"), html=f"<p>{text}</p>")
            store_parse_results(session, None, [(number, page)], NOW + timedelta(minutes=minutes), 1)
        import_records(session, None, [record(2, text="后来\r")], "dump", NOW + timedelta(days=1))
    return use(engine)


THEN = ("--version-at", "2026-03-02")


@pytest.mark.parametrize("form", ["dump", "jsonl", "csv"])
def test_records_have_the_texts_of_a_day(edited: Run, form: str) -> None:
    ended = edited("export", "--format", form, *THEN)
    assert ended.err == "1 post exported\n"
    assert "旧文标题" in ended.raw.decode("utf-8-sig")
    assert "新文" not in ended.raw.decode("utf-8-sig")
    assert "新文标题" in edited("export", "--format", form, "--version-at", "2026-03").raw.decode("utf-8-sig")
    before = edited("export", "--format", form, "--version-at", "2026-03-01")
    assert before.err == "0 posts exported\n"


def test_tables_have_the_texts_versions_changes_and_marks_of_a_day(edited: Run, tmp_path: Path) -> None:
    for name in ("a.xlsx", "a.sqlite", "a.parquet"):
        assert edited("export", "--output", tmp_path / name, *THEN).err == "1 post exported\n"
    (row,) = openpyxl.load_workbook(tmp_path / "a.xlsx")["posts"].iter_rows(min_row=2, values_only=True)
    assert {"旧文标题", "旧文\n"} <= set(row)
    (post,) = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert (post["title"], post["text"], post["marks"]) == ("旧文标题", "旧文\r", [])
    with closing(sqlite3.connect(tmp_path / "a.sqlite")) as database:
        assert database.execute("SELECT title, text, marks FROM posts").fetchall() == [
            ("旧文标题", "旧文\r", "[]")
        ]
        assert database.execute("SELECT text FROM versions").fetchall() == [("旧文\r",)]
        assert database.execute("SELECT kind FROM changes").fetchall() == [("new",)]
    assert edited("export", "--output", tmp_path / "b.parquet").code == Exit.DONE
    marks = {one["aid"]: one["marks"] for one in parquet.read_table(tmp_path / "b.parquet").to_pylist()}
    assert marks["1001_1"] == ["edited"]


@pytest.mark.parametrize("form", ["html", "markdown", "txt", "epub"])
def test_files_of_posts_have_the_texts_of_a_day(edited: Run, tmp_path: Path, form: str) -> None:
    ended = edited("export", "--format", form, "--output", tmp_path / "posts", *THEN)
    assert (ended.code, ended.err) == (Exit.DONE, "1 post exported\n")
    (path,) = (tmp_path / "posts").glob("2026-*")
    assert path.name.startswith("2026-03-01-1001_1-旧文标题.")
    if form == "epub":
        with zipfile.ZipFile(path) as book:
            content = "".join(book.read(name).decode() for name in book.namelist() if name.endswith("html"))
    else:
        content = path.read_text("utf-8")
    assert "旧文" in content
    assert "新文" not in content
    if form in ("html", "epub"):
        assert "Made from the text of version 1 alone" in content
        assert hashlib.sha256("旧文".encode()).hexdigest() in content
    now = edited("export", "--format", form, "--output", tmp_path / "now", "--version-at", "2026-03-03")
    assert now.err == "2 posts exported\n"


@pytest.mark.parametrize("form", ["warc", "wacz"])
def test_captures_have_no_text_of_a_day(edited: Run, tmp_path: Path, form: str) -> None:
    ended = edited("export", "--format", form, "--output", tmp_path / "a", *THEN)
    assert ended.code == Exit.USAGE
    assert f"--format {form} writes pages as they were served" in ended.err
    assert names(tmp_path) == []
    unreadable = edited("export", "--version-at", "yesterday")
    assert (unreadable.code, unreadable.out) == (Exit.USAGE, "")
