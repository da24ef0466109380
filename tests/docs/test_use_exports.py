"""Tests that the recipes in docs/how-to/use-exports.md run as written and return every text exactly."""

import csv
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from archive.domain.records import FIELDS, Record, restore_cell
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
    assert (len(PANDAS), len(DUCKDB), len(R)) == (3, 3, 2)


R = re.findall(r"```r\n(.*?)```", DOCUMENT, re.DOTALL)
SAVE = "\njsonlite::write_json(posts, 'read.json', dataframe = 'rows', na = 'string', digits = NA)\n"
AS_TEXT = "Text - txt - csv (StarCalc):44,34,76,1," + "/".join(f"{column}/2" for column in range(1, 7))
AS_CSV = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,true"


def has_r() -> bool:
    """Tell whether R is here with the two packages that the recipes load."""
    packages = "quit(status = !all(sapply(c('jsonlite', 'readr'), requireNamespace, quietly = TRUE)))"
    found = shutil.which("Rscript")
    return bool(found) and subprocess.run(["Rscript", "-e", packages], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.usefixtures("exported")
@pytest.mark.parametrize("recipe", R)
def test_r_returns_every_text(recipe: str) -> None:
    if not has_r():
        pytest.skip("no R with jsonlite and readr")
    Path("recipe.R").write_text(recipe + SAVE, "utf-8")
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    subprocess.run(["Rscript", "recipe.R"], env=environment, check=True, capture_output=True)
    assert json.loads(Path("read.json").read_text("utf-8")) == WANTED


@pytest.mark.slow
@pytest.mark.usefixtures("exported")
def test_a_spreadsheet_that_takes_columns_as_text_keeps_every_short_text() -> None:
    """LibreOffice with the settings of the recipe for Excel, which cannot be run here; neither calculates."""
    if not shutil.which("soffice"):
        pytest.skip("no LibreOffice")
    office = ["soffice", "--headless", f"-env:UserInstallation={Path('profile').absolute().as_uri()}"]
    for source, options, folder in (
        ("posts.csv", [f"--infilter={AS_TEXT}", "--convert-to", "ods"], "sheet"),
        ("sheet/posts.ods", ["--convert-to", AS_CSV], "read"),
    ):
        command = [*office, *options, "--outdir", folder, source]
        subprocess.run(command, check=True, capture_output=True, timeout=240)
    with Path("read/posts.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["\ufeff" + FIELDS[0], *FIELDS[1:]] or rows[0] == list(FIELDS)
    found = {row[0]: [restore_cell(cell) for cell in row[1:5]] for row in rows[1:]}
    exact = [row for row in WANTED if not {"\t", "\r"} & set(row["标题title"])]  # it drops tabs
    assert len(found) == len(WANTED)
    assert [found[row[FIELDS[0]]] for row in exact] == [[row[name] for name in FIELDS[1:5]] for row in exact]
