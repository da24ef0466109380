"""Write posts as Markdown, and read them back."""

from pathlib import Path

import yaml
from markdown_it import MarkdownIt

from archive.export.markdown import write_markdown
from archive.rendering.page import ShownPost

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def written(made: ShownPost, folder: Path) -> tuple[dict[str, object], str]:
    """Write a post; return the front matter and the rest of its file."""
    write_markdown([made], folder)
    (path,) = folder.glob("*.md")
    front, _, rest = path.read_text("utf-8").removeprefix("---\n").partition("\n---\n")
    path.unlink()
    return yaml.safe_load(front), rest
