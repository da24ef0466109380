"""Tests that the code in docs/reference/python.md and the notebook run as written."""

import json
import re
from typing import Any

import pytest
from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.captures import store_captures
from tests.archive.making import NOW, article, capture, record
from tests.docs.markdown import DOCS

BLOCKS = re.findall(r"```python\n(.*?)```", (DOCS / "reference" / "python.md").read_text("utf-8"), re.DOTALL)
AID = "2650693508_1"


@pytest.fixture(scope="module")
def filled(module_engine: Engine) -> Engine:
    """Archive the post that the document names, of the account that it names."""
    with transaction(module_engine) as session:
        made = record(2650693508 - 1000, text="集成电路\r")
        named = type(made)(made.aid, made.title, made.url, made.date, "上海经信委", made.text)
        import_records(session, None, [named], "dump", NOW)
        (number,) = store_captures(session, None, [(None, capture())])
        store_parse_results(session, None, [(number, article(named))], NOW, 1)
    return module_engine


@pytest.mark.parametrize("block", BLOCKS)
def test_code_of_the_document_runs(
    filled: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], block: str
) -> None:
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", filled.url.render_as_string(hide_password=False))
    names: dict[str, object] = {}
    exec(block, names)
    printed = capsys.readouterr().out
    assert bool(printed) == ("print" in block)
    if "found" in names:
        assert names["found"] == 1
    if "per_account" in names:
        assert dict(names["per_account"]) == {"上海经信委": 1}  # type: ignore[call-overload]


def test_every_block_is_run() -> None:
    assert len(BLOCKS) == 4


NOTEBOOK = json.loads((DOCS / "tutorial" / "read-an-archive.ipynb").read_text("utf-8"))


@pytest.mark.slow
def test_the_cells_of_the_notebook_run(filled: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with transaction(filled) as session:
        for minutes, words in enumerate(("关于管理办法", "关于管理办法（修订）")):
            (number,) = store_captures(session, None, [(None, capture(words.encode(), minutes=minutes))])
            page = article(record(7, title="办法", text=words))
            store_parse_results(session, None, [(number, page)], NOW, 1)
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", filled.url.render_as_string(hide_password=False))
    names: dict[str, Any] = {}
    cells = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    for cell in cells:
        exec(cell, names)
    assert len(cells) == 6
    assert names["edited"] == "1007_1"
    assert list(names["changes"]["added"]) == [4]
    assert [version.number for version in names["versions"]] == [1, 2]
    assert names["found"] == ["办法"]
    assert names["per_month"].sum() == 2
