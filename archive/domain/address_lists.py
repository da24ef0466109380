"""Read the addresses of posts in a list: JSON, JSON Lines, bookmarks and OPML, or text line by line."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from archive.domain.address_text import post_addresses

TITLES = ("标题title", "title", "标题")

DATES = ("时间time", "time", "create_time", "update_time", "pub_time", "date", "时间", "日期", "发布时间")

_OF_OTHERS = frozenset({"source_url", "content_source_url", "sourceurl"})  # where "read more" leads

_MAX_FIELD = 4096  # characters of a field that holds addresses; the content of a post is longer

_MAX_NESTED = 3  # JSON within strings of JSON; WeChat's lists have one level

_MARKUP = re.compile(r"<(?:opml\b|!doctype netscape-bookmark-file-1)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FoundAddress:
    """The address of a post, with title and date as the list writes them, where it does."""

    url: str
    title: str = ""
    date: str = ""


def is_bookmarks(head: str) -> bool:
    """Tell by its beginning whether a file is a bookmark file of a browser or OPML."""
    return bool(_MARKUP.search(head[:_MAX_FIELD]))


def addresses_in_json(text: str) -> list[FoundAddress] | None:
    """Return the addresses in JSON or JSON Lines; None where the text is neither.

    Addresses within a post's content are not listed by themselves, unless there are no others.
    """
    values = _json_values(text)
    if values is None:
        return None
    found = list(_in_values(values, _MAX_NESTED))
    return found or [FoundAddress(url) for url in post_addresses(text)]


def _json_values(text: str) -> list[Any] | None:
    """Return the one value of JSON, or those of JSON Lines, without lines that are broken."""
    stripped = text.lstrip("\ufeff \t\r\n")
    if not stripped.startswith(("{", "[")):
        return None
    try:
        return [json.loads(stripped)]
    except (ValueError, RecursionError):
        values = [value for line in stripped.splitlines() if (value := _object(line)) is not None]
    return values or None


def _object(line: str) -> Any:
    try:
        return json.loads(line) if line.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        return None


def _in_values(values: list[Any], nested: int) -> Iterator[FoundAddress]:
    """Yield the addresses of all fields, in order; titles and dates are those of the same object."""
    waiting = [(value, "", "") for value in reversed(values)]
    while waiting:
        value, title, date = waiting.pop()
        if isinstance(value, dict):
            title, date = _field(value, TITLES), _field(value, DATES)
            inner = [one for name, one in value.items() if name.lower() not in _OF_OTHERS]
            waiting.extend((one, title, date) for one in reversed(inner))
        elif isinstance(value, list):
            waiting.extend((one, title, date) for one in reversed(value))
        elif isinstance(value, str) and value.startswith(("{", "[")) and nested:
            yield from _in_values(_json_values(value) or [], nested - 1)
        elif isinstance(value, str) and len(value) <= _MAX_FIELD and "<" not in value:
            yield from (FoundAddress(url, title, date) for url in post_addresses(value))


def _field(entry: dict[str, Any], names: tuple[str, ...]) -> str:
    values = (entry.get(name) for name in names)
    return next((str(value) for value in values if isinstance(value, str | int) and value), "")


def addresses_by_line(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield number (from 1), text and addresses of each line, without comments and empty lines."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line, list(post_addresses(line))
