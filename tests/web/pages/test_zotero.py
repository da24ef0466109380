"""Zotero's own translators read the page of a post, its versions, and the citations that are downloaded."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.web.conftest import SeededSite
from tests.web.pages.page_requests import POST, RICH, get
from tests.web.seeding import EDITED

INSTALLED = Path(sys.prefix) / "zotero"
SCRIPT = Path(__file__).parents[1] / "zotero" / "read.js"
ORIGIN = "http://127.0.0.1:8788"
TIMEOUT = 120  # seconds; it takes two

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (INSTALLED / "node_modules").exists(),
    reason="Zotero's translators are not installed: run `bin/zotero`, which needs npm",
)


def read(what: str, *arguments: object) -> dict[str, Any]:
    """Return the item that the translators make of a file."""
    done = subprocess.run(
        ["node", "-", what, *map(str, arguments)],
        input=SCRIPT.read_text(encoding="utf-8"),
        cwd=INSTALLED,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("ITEMS ")]
    assert lines, done.stderr[-2000:]
    item = json.loads(lines[0].removeprefix("ITEMS "))[0]  # what follows are its notes
    assert isinstance(item, dict)
    return item


def author(item: dict[str, Any]) -> str:
    (creator,) = item["creators"]
    return str(creator.get("name") or creator.get("lastName"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (RICH, ("云屿市虚构的制造业数字化转型方案发布, 全文来了", "合成云屿经信", "2025/11/07")),
        (f"{POST}/{EDITED}/versions/1", ("关于合成项目的通知", "示例账号", "2025/11/12")),
    ],
)
def test_a_page_is_read_by_its_metadata(
    site: SeededSite, tmp_path: Path, path: str, expected: tuple[str, ...]
) -> None:
    page = tmp_path / "page.html"
    page.write_bytes(get(site, path).body)
    item = read("page", page, f"{ORIGIN}{path}")
    assert item["translator"] == "Embedded Metadata"
    assert item["itemType"] == "webpage"
    assert (item["title"], author(item), item["date"]) == expected
    assert item["url"].startswith("http://mp.weixin.qq.com/s?__biz=")


@pytest.mark.parametrize("form", ["ris", "bibtex", "csl-json"])
def test_a_citation_is_imported(site: SeededSite, tmp_path: Path, form: str) -> None:
    file = tmp_path / "citation"
    file.write_bytes(get(site, f"{RICH}/cite/{form}").body)
    item = read("citation", file)
    assert item["itemType"] == "webpage"
    assert (item["title"], author(item)) == ("云屿市虚构的制造业数字化转型方案发布, 全文来了", "合成云屿经信")
    assert item["date"] in {"2025-11-07", "November 7, 2025"}
    assert item["accessDate"] == "2025-11-09"
    assert item["url"].startswith("http://mp.weixin.qq.com/s?__biz=")
