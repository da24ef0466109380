"""Export posts as HTML: a self-contained page for each, and an index by day."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from archive.export.file_names import FileNames
from archive.export.post_renderer import RenderedPost, RenderPost, write_each
from archive.export.result import ExportResult
from archive.rendering.page import ShownPost, offline_page, render_template
from archive.system.files import write_bytes

INDEX = "index.html"


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A post in a list of posts; `href` leads to its page."""

    day: str
    href: str
    title: str
    account: str


def render_html(shown: ShownPost) -> RenderedPost:
    """Return the page of a post."""
    content = offline_page(shown).encode("utf-8", "replace")
    return RenderedPost(content, problems=shown.media.problems, damaged=shown.media.damaged)


def write_html(posts: Iterable[ShownPost], folder: Path, render: RenderPost = render_html) -> ExportResult:
    """Write `<date>-<aid>-<title>.html` for each post, and index.html.

    A post that cannot be written is left out. Raises FileWriteError where none can be.
    """
    entries: list[IndexEntry] = []

    def write(shown: ShownPost, rendered: RenderedPost, names: FileNames) -> RenderedPost:
        post, name = shown.post, f"{names.of_post(shown.post)}.html"
        write_bytes(folder / name, rendered.content)
        title = " ".join(post.title.split()) or name
        entries.append(IndexEntry(post.published_on.isoformat(), quote(name), title, post.account_name))
        return rendered

    result = write_each(posts, render, write)
    write_bytes(folder / INDEX, index_page(entries))
    return result


def index_page(entries: list[IndexEntry]) -> bytes:
    """Return the page that lists posts by day, in the order given."""
    days = [(day, list(of_day)) for day, of_day in groupby(entries, key=lambda entry: entry.day)]
    page = render_template("index.html", title="文章存档", count=len(entries), days=days)
    return page.encode("utf-8", "replace")
