"""Sentences as they stand in the code."""

import ast
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path


def texts(files: Iterable[Path], told: Callable[[ast.AST], Iterator[ast.expr]]) -> Iterator[str]:
    """The texts among what `told` picks of each node; each has 7 for every value in it."""
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            yield from filter(None, map(_text, told(node)))


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.FormattedValue):
        return "7"
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
