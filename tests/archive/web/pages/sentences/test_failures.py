"""Why a page cannot be shown as asked, said in Chinese to those who read Chinese."""

import ast
from collections.abc import Iterator
from pathlib import Path

import archive
from archive.web.pages.sentences import translated
from tests.archive.web.pages.sentences.written import texts

_FOLDER = Path(next(iter(archive.__path__)))
_FILES = ("queries.py", "stream.py", "search", "media/folder.py", "web/api", "web/pages", "web/failing.py")
_ERRORS = ("NotArchived", "SearchError", "CursorError", "MediaMissing")


def reasons() -> list[str]:
    """All that the code may give."""
    return list(texts(_files(), _told))


def _files() -> Iterator[Path]:
    for name in _FILES:
        place = _FOLDER / name
        yield from place.glob("*.py") if place.is_dir() else [place]


def _told(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Call(func=ast.Name(name), args=[words, *_]) if name in _ERRORS:
            yield words
        case ast.Call(func=ast.Name("say"), args=[_, ast.Constant(), words, *_]):
            yield words


def test_whatever_cannot_be_shown_is_said_in_chinese() -> None:
    told = reasons()
    assert len(told) > 10
    assert [one for one in told if translated(one) is None] == []
