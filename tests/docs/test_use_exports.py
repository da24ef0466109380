"""Tests that the recipes in docs/how-to/use-exports.md run as written and return every text exactly."""

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from archive.domain.records import FIELDS, Record
from archive.export.records import write_csv, write_dump, write_jsonl
from tests.docs.markdown import DOCS

DOCUMENT = (DOCS / "how-to" / "use-exports.md").read_text("utf-8")
PANDAS = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
DUCKDB = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)
TITLES = (
    *("=1+1", "+86", "-1", "@all", "\t缩进", "＝1", "－", "'=1", "''+1", "'引", "'", "'\r=1"),
    *("007", "2025-11", "1_0", "NA", "null", "None", "nan", "true", "1e5", "\\N", "", '"引", 号', "😀"),
)
TEXTS = ("\r第一段\r=2\r", '一,"二"\r\n三', "长" * 400_000)


def records() -> Iterator[Record]:
    """Yield records whose texts look like formulas, numbers, dates, truth values and missing values."""
    for number, title in enumerate(TITLES, 1):
        aid = f"2650693{number:03}_1"
        url = f"http://mp.weixin.qq.com/s?__biz=MzA0NjAyNTQ5NQ==&mid=2650693{number:03}&idx=1&sn=5a#rd"
        yield Record(aid, title, url, "2026-03-01", "0012", TEXTS[number % 3] if number < 10 else title)


WANTED = [record.as_dict() for record in records()]


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the exports into the current folder."""
    monkeypatch.chdir(tmp_path)
    for name, write in (("posts.json", write_dump), ("posts.jsonl", write_jsonl), ("posts.csv", write_csv)):
        with Path(name).open("wb") as out:
            write(records(), out)


@pytest.mark.usefixtures("exported")
@pytest.mark.parametrize("recipe", PANDAS)
def test_pandas_returns_every_text(recipe: str) -> None:
    names: dict[str, pd.DataFrame] = {}
    exec(recipe, names)
    assert names["posts"].to_dict("records") == WANTED


@pytest.mark.usefixtures("exported")
@pytest.mark.parametrize("recipe", DUCKDB)
def test_duckdb_returns_every_text(recipe: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(recipe)
        found = connection.execute("SELECT * FROM posts ORDER BY rowid").fetchall()
    assert [dict(zip(FIELDS, row, strict=True)) for row in found] == WANTED


@pytest.mark.usefixtures("exported")
def test_pandas_damages_aids_without_the_recipe() -> None:
    assert pd.read_json("posts.json").iloc[0, 0] == 26506930011


def test_every_recipe_is_run() -> None:
    assert (len(PANDAS), len(DUCKDB)) == (3, 3)
