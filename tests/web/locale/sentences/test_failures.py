"""Why a page cannot be shown as asked, said in Chinese to those who read Chinese."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import archive
from tests.web.locale.sentences.written import texts
from web.errors import SAYINGS
from web.locale.sentences import translated

_FOLDER = Path(next(iter(archive.__path__)))
_FILES = (
    "queries.py", "stream.py", "search", "media/folder.py", "web/api", "web/pages", "web/failing.py",
    "web/gate.py", "bodies/frames.py",
)  # fmt: skip
_ERRORS = ("NotArchived", "SearchError", "CursorError", "MediaMissing", "IntegrityError")
_UNREADABLE = (
    "cannot read the media folder /media (Permission denied); check MPARCHIVE_MEDIA",
    "76/f7/76f7.png in the media folder cannot be read (Is a directory)",
)


def reasons() -> list[str]:
    """All that the code may give."""
    told, faults = list(texts(_files(), _told)), list(_faults())
    return [*told, *faults, "; ".join(faults[:3]), *_damage(), *_UNREADABLE]


def _faults() -> Iterator[str]:
    for saying in SAYINGS.values():
        yield saying.format_map(defaultdict(lambda: "7"))


def _damage() -> Iterator[str]:
    """As archive.bodies.reading names what is damaged."""
    for place in ("capture 7", "capture 7: its reference, capture 8"):
        yield f"{place}: the body does not have the hash it was stored with"
    yield "capture 7: its reference, capture 8, is missing"


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
        case ast.Call(func=ast.Attribute(attr="_say"), args=[_, ast.Constant(), words, *_]):
            yield words


def test_whatever_cannot_be_shown_is_said_in_chinese() -> None:
    told = reasons()
    assert len(told) > 10
    assert [one for one in told if translated(one) is None] == []
