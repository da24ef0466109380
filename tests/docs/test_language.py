"""Tests that documents use one word for one thing, in the field's terms."""

import re
from pathlib import Path

import pytest

from tests.docs.markdown import DOCS, DOCUMENTS, ROOT, fenced, name_of, prose, rows, text_of

# Words that only this project used, and what to write instead.
HOME_MADE = {
    r"reading room": "web interface",
    r"\banew\b": "again",
    r"\bhands\b": "workers, processes",
    r"\bline is held\b|\bthrough a line\b|\bthis line\b": "egress",
    r"\btaken over\b|\btakes? over\b": "imported",
    r"\binvented\b(?! (account|week))": "made-up",
    r"is as it was archived": "verification passed",
    r"阅览室": "网页界面",
    r"检索": "搜索",
    r"线路": "网络出口",
    r"沉默": "长时间未更新、停更",
    r"每个回答": "每次响应",
    r"的地址(?=存|指定)": "文章链接",
    r"健康状况": "运行状况",
}
TERMS = (
    "capture",
    "sighting",
    "outcome",
    "post",
    "version",
    "run",
    "cassette",
    "incident",
    "egress",
    "frontier",
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_documents_avoid_home_made_words(document: Path) -> None:
    text = re.sub(r"`[^`]*`", "", prose(text_of(document)))
    found = [
        f"{word} -> {better}" for word, better in HOME_MADE.items() if re.search(word, text, re.IGNORECASE)
    ]
    assert found == []


def test_the_glossary_has_every_term_in_both_languages() -> None:
    entries = {row[0].lower(): row[1] for row in rows(text_of(DOCS / "glossary.md"))}
    assert [term for term in TERMS if not re.search(r"[\u4e00-\u9fff]", entries.get(term, ""))] == []


def test_every_document_is_in_the_index() -> None:
    index = text_of(DOCS / "README.md")
    documents = [path for path in DOCS.rglob("*.md") if "adr" not in path.parts and path.name != "README.md"]
    assert [str(path) for path in documents if str(path.relative_to(DOCS)) not in index] == []


def test_the_readmes_show_the_same_commands() -> None:
    english, chinese = (
        [line.partition("#")[0].split() for line in fenced(text_of(ROOT / name)) if line.startswith("$ ")]
        for name in ("README.md", "README.zh-CN.md")
    )
    assert english == chinese
