"""Export posts as plain text: a file for each, with its title, account, day and address above the text."""

from collections.abc import Iterable
from pathlib import Path

from archive.domain.parsed_page import is_preview
from archive.export.file_names import FileNames
from archive.export.post_renderer import RenderedPost, RenderPost, write_each
from archive.export.result import ExportResult
from archive.rendering.page import PREVIEW_NOTE, ShownPost
from archive.system.files import write_bytes


def render_text(shown: ShownPost) -> RenderedPost:
    """Return the file of a post: a head of a few lines, an empty line, a line for each paragraph."""
    post = shown.post
    head = [
        " ".join(post.title.split()),
        " ".join(f"{post.account_name} {post.published_on.isoformat()} {post.aid}".split()),
        post.url,
        PREVIEW_NOTE if is_preview(post.page_metadata) else "",
    ]
    lines = "\n".join([*filter(None, head), "", post.text.replace("\r\n", "\n").replace("\r", "\n")])
    return RenderedPost(f"{lines.rstrip()}\n".encode("utf-8", "replace"))


def write_text_files(
    posts: Iterable[ShownPost], folder: Path, render: RenderPost = render_text
) -> ExportResult:
    """Write `<date>-<aid>-<title>.txt` for each post, in UTF-8.

    A post that cannot be written is left out. Raises FileWriteError where none can be.
    """

    def write(shown: ShownPost, rendered: RenderedPost, names: FileNames) -> RenderedPost:
        write_bytes(folder / f"{names.of_post(shown.post)}.txt", rendered.content)
        return rendered

    return write_each(posts, render, write)
