"""The documents as a reader has them: which there are, the code in them, their tables, their headings."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
DOCUMENTS = (
    *READMES,
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "cassettes" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)
_FENCE = re.compile(r"^( *)```.*?\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")


def named(path: Path) -> str:
    """What a test of this document is called."""
    return str(path.relative_to(ROOT))


def told(path: Path) -> str:
    """What a document says."""
    return path.read_text("utf-8")


def fenced(text: str) -> list[str]:
    """The lines of blocks of code."""
    return [line for _, block in _FENCE.findall(text) for line in block.splitlines()]


def prose(text: str) -> str:
    """All but blocks of code."""
    return _FENCE.sub("", text)


def spans(text: str) -> list[str]:
    """What stands between backticks outside of blocks, on one line each; a pipe in a table is one."""
    return [" ".join(span.split()).replace("\\|", "|") for span in _SPAN.findall(prose(text))]


def rows(text: str) -> list[list[str]]:
    """The cells of all tables' rows."""
    lines = [line for line in prose(text).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def anchors(text: str) -> set[str]:
    """What a link to a heading of this document may end in, as GitHub makes it of the heading."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
