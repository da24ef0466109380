"""Read the documents: which there are, their code, tables and headings."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
DOCUMENTS = (
    *READMES,
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "cassettes" / "README.md",
    *sorted(DOCS.rglob("*.md")),
)
_FENCE = re.compile(r"^( *)```.*?\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")


def name_of(path: Path) -> str:
    """Return a document's path within the repository, as the id of its tests."""
    return str(path.relative_to(ROOT))


def text_of(path: Path) -> str:
    """Return the text of a file."""
    return path.read_text("utf-8")


def fenced(text: str) -> list[str]:
    """Return the lines of code blocks."""
    return [line for _, block in _FENCE.findall(text) for line in block.splitlines()]


def prose(text: str) -> str:
    """Return the text without its code blocks."""
    return _FENCE.sub("", text)


def spans(text: str) -> list[str]:
    """Return the code between backticks outside of blocks, each on one line; an escaped pipe becomes one."""
    return [" ".join(span.split()).replace("\\|", "|") for span in _SPAN.findall(prose(text))]


def rows(text: str) -> list[list[str]]:
    """Return the cells of the rows of all tables."""
    lines = [line for line in prose(text).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings, as GitHub builds them."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
