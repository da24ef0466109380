"""What the archive wrote down in English, on a page in the reader's language."""

import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from archive.web.pages.sentences import translated
from archive.web.pages.sentences.names import COUNTS, NAMES
from archive.web.pages.visit import Visit

_ENGLISH = re.compile(r"(?<!\S)[A-Za-z]{2,}(?!\S)")  # a word; not a part of an address or a number


def said(sentence: str, visit: Visit) -> str:
    """A sentence or word of the program; on a Chinese page, one that has no Chinese is marked as English."""
    if visit.language == "en":
        return sentence
    chinese = translated(sentence)
    if chinese is None and _ENGLISH.search(sentence):
        return Markup('<span lang="en">{}</span>').format(sentence)
    return chinese or sentence


def counted(counts: Mapping[str, Any], visit: Visit) -> str:
    """The counts of a run that are not zero, by name; counts within counts stand in brackets."""
    comma, brackets = (", ", " ({})") if visit.language == "en" else ("，", "（{}）")
    return comma.join(
        name + (brackets.format(counted(count, visit)) if isinstance(count, Mapping) else f" {count}")
        for name, count in ((_name(name, visit), count) for name, count in counts.items() if count)
    )


def _name(name: str, visit: Visit) -> str:
    return name if visit.language == "en" else COUNTS.get(name) or NAMES.get(name, name)
