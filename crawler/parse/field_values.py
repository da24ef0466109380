"""Single values out of a page's state: addresses, words and numbers, without what was escaped twice."""

import re
from collections.abc import Mapping
from typing import Any

from archive.domain import entities
from archive.domain.addresses import clean_url

MAX_ADDRESS = 2000  # characters; longer ones fit no index, and real ones have under 700

MAX_WORDS = 1000  # characters of a name, a caption or the words of a link; an unclosed link holds half a post


def web_url(value: Any) -> str:
    """A clean address; empty for what is no http(s) address or longer than MAX_ADDRESS."""
    url = clean_url(value) if isinstance(value, str) and len(value) <= 4 * MAX_ADDRESS else ""
    return url if url.lower().startswith(("http://", "https://")) and len(url) <= MAX_ADDRESS else ""


def plain(info: Mapping[str, Any], name: str) -> str:
    """A string of an object, decoded; empty without one."""
    value = info.get(name)
    return entities.unescape(entities.unescape(value)).strip() if isinstance(value, str) else ""


def link(info: Mapping[str, Any], name: str) -> str:
    """An address of an object; empty without one."""
    value = info.get(name)
    found = clean_url(value) if isinstance(value, str) else ""
    return found if found.startswith("http") else ""


def words(text: str | None) -> str:
    """Words on one line, entities decoded, at most MAX_WORDS characters."""
    return " ".join(entities.unescape((text or "")[: 4 * MAX_WORDS]).split())[:MAX_WORDS]


def whole(value: Any) -> int | None:
    """A whole number above 0, written as one or as a string; else None."""
    written = str(value).strip() if isinstance(value, int | str) else ""
    return int(written) or None if re.fullmatch(r"[0-9]{1,15}", written) else None


def known(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that say something."""
    return {name: value for name, value in facts.items() if value not in ("", None, [], {}, False)}
