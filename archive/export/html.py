"""HTML: a page a post, complete in itself, and an index of them by day."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from archive.export.files import Names, Written, name_of
from archive.export.post_files import Made, Make
from archive.rendering.page import ShownPost, framed, offline_page
from archive.system.files import write_bytes

INDEX = "index.html"


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of the index."""

    day: str
    name: str
    title: str
    account: str


def make_html(shown: ShownPost) -> Made:
    """The page of a post."""
    content = offline_page(shown).encode("utf-8", "replace")
    return Made(content, troubles=shown.media.troubles, damaged=shown.media.damaged)


def write_html(posts: Iterable[ShownPost], folder: Path, make: Make = make_html) -> Written:
    """Write `<date>-<aid>-<title>.html` of each post, and index.html; a post that cannot be written is left
    out. Raises ExportError where none can be.
    """
    written, names, entries = Written(), Names(), []
    for shown in posts:
        post = shown.post
        with written.apart(name_of(post)):
            made, name = make(shown), f"{names.of(post)}.html"
            write_bytes(folder / name, made.content)
            entries.append(_Entry(post.published_on.isoformat(), name, post.title, post.account_name))
            written.add(made.troubles, made.damaged)
    write_bytes(folder / INDEX, _index(entries).encode("utf-8", "replace"))
    return written


def _index(entries: list[_Entry]) -> str:
    days = "\n".join(
        f"<h2>{day}</h2>\n<ul>{''.join(map(_line, of_day))}</ul>"
        for day, of_day in groupby(entries, key=lambda entry: entry.day)
    )
    heading = "<header><h1>文章存档</h1><p><span>" + f"{len(entries)} posts</span></p></header>"
    return framed("文章存档", f'{heading}\n<div class="days">{days}</div>')


def _line(entry: _Entry) -> str:
    words = " ".join(entry.title.split()) or entry.name
    return (
        f'<li><a href="{quote(entry.name)}">{escape(words)}</a> <small>{escape(entry.account)}</small></li>\n'
    )
