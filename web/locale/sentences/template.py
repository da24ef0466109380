"""A sentence in English and in Chinese with gaps: what fits the one is said as the other. Pure.

A gap is `{name}`, which is any text, or `{name:kind}` with a kind of `_PATTERNS`.
"""

import re
from collections.abc import Callable, Iterator
from string import Formatter

Say = Callable[[str], str | None]

_ANY = ".+?"

_PATTERNS = {
    "": _ANY,
    "sentence": _ANY,  # said in Chinese where it can be, else as it is: it may be anybody's words
    "whole": _ANY,  # said in Chinese, or the template does not fit
    "list": _ANY,  # joined by ", "; each of it as a sentence is
    "file": f"/{_ANY}",
    "quoted": f"[\"']{_ANY}",
    "short": "[^:]{1,100}",
    "name": "[A-Za-z_]{1,40}",  # one of sentences.names, or the template does not fit
    "key": r"[A-Za-z_][A-Za-z0-9_.\[\]]{0,200}",
    "number": r"[0-9]{1,18}(?:\.[0-9]{1,3})?",
    "time": "[0-9]{4}-[0-9]{2}-[0-9]{2}(?: [0-9]{2}:[0-9]{2})?",
    "source": r"(?:album|feed):\S{1,2100}|own_backend|official|list|neighbours",
}

_SAID = ("whole", "name")


class Template:
    """One sentence in both languages. `weight` is how many of its characters stand fast."""

    def __init__(self, english: str, chinese: str):
        parts = list(Formatter().parse(english))
        literals = [literal for literal, *_ in parts]
        self.english = english
        self.weight = sum(map(len, literals))
        self.pattern = re.compile("".join(_pieces(parts)), re.DOTALL)
        self._chinese = chinese
        self._kinds = {name: kind or "" for _, name, kind, _ in parts if name}
        self._mark = max(literals, key=len)

    def fit(self, sentence: str, say: Say) -> str | None:
        """The sentence in Chinese; None where it is another one. `say` does the same for its parts."""
        found = self.pattern.match(sentence) if self._mark in sentence else None
        if found is None:
            return None
        values = {name: _said(found[name], kind, say) for name, kind in self._kinds.items()}
        return None if None in values.values() else self._chinese.format(**values)


def _pieces(parts: list[tuple[str, str | None, str | None, str | None]]) -> Iterator[str]:
    """The expression of a template. Text of any length goes to where what follows first fits, and no further:
    the group is atomic, so that no text takes longer than its length.
    """
    opened = False
    for literal, name, kind, _ in parts:
        yield re.escape(literal)
        if name is None:
            continue
        pattern = _PATTERNS[kind or ""]
        if _ANY in pattern:
            yield ")(?>" if opened else "(?>"
            opened = True
        yield f"(?P<{name}>{pattern})"
    yield r"\Z)" if opened else r"\Z"


def _said(part: str, kind: str, say: Say) -> str | None:
    if kind in _SAID:
        return say(part)
    if kind == "sentence":
        return say(part) or part
    if kind == "list":
        return "、".join(say(one) or one for one in part.split(", "))
    return part
