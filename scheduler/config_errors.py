"""Mistakes in a TOML file, each told in one sentence: file, line, key, and what was expected."""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archive.system.files import FileUnusable, read_small

MAX_FILE = 256 * 1024  # bytes; two hundred accounts with all their sources have 100,000

_PLACE = re.compile(r"^(.*?)(?: \(at (?:line (\d+), column (\d+)|end of document)\))?$", re.S)

_HINTS = {
    "Expected '=' after": 'a line is key = "value", a [table] or a # comment',
    "Expected": "a text ends with the quote it begins with, on its own line",
    "Invalid value": 'text stands in straight quotes: "…"; numbers, true and false without',
    "Invalid statement": 'a line is key = "value", a [table] or a # comment',
    "Cannot overwrite a value": "the key stands there twice",
    "Unclosed array": "a list ends with ]",
    "Illegal character": "a text ends with a quote on its own line",
}

_EXPECTED = {
    "missing": "it is missing",
    "string_type": 'text was expected: "…"',
    "int_type": "a whole number was expected, without quotes",
    "bool_type": "true or false was expected, without quotes",
    "tuple_type": 'a list was expected: ["…", "…"]',
    "path_type": 'the name of a file was expected: "…"',
    "model_type": "a table was expected",
    "model_attributes_type": "a table was expected",
    "string_too_short": "some text was expected",
    "greater_than_equal": "at least {ge} was expected",
    "less_than_equal": "at most {le} was expected",
    "string_too_long": "at most {max_length} characters were expected",
    "too_long": "at most {max_length} entries were expected",
}

_PATTERNS = {
    "appid": "an AppID was expected: wx and 16 hex digits",
}


class ConfigError(Exception):
    """The configuration cannot be used; the message is one sentence."""


def parsed(path: Path) -> tuple[str, dict[str, Any]]:
    """A file's text and values. Raises ConfigError when it cannot be read or is not TOML."""
    text = _text(path)
    try:
        return text, tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(_not_toml(path, text, str(error))) from None


def _text(path: Path) -> str:
    try:
        content = read_small(path, MAX_FILE, "no configuration has")
    except FileUnusable as error:
        raise ConfigError(str(error)) from None
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: it is not UTF-8; save the file as UTF-8") from None


def _not_toml(path: Path, text: str, message: str) -> str:
    found = _PLACE.match(message)
    what, line, column = found.groups() if found else (message, None, None)
    hint = next((hint for begin, hint in _HINTS.items() if what.startswith(begin)), what)
    if not line and "=" not in what:
        hint = "the file ends too soon: a bracket, brace or quote is not closed"
    place = f"line {line or len(text.splitlines())}"
    there = f" at column {column}" if column else ""
    return f"{path}, {place}: it is not TOML{there}; {hint}"


def sentence(path: Path, text: str, error: ValidationError) -> str:
    """The first mistake of a file, by its lines, and how many there are besides."""
    told = sorted((_told(text, one) for one in error.errors()), key=lambda one: one[0])
    line, words = told[0]
    more = f" (and {len(told) - 1} more)" if told[1:] else ""
    return f"{path}, line {line}: {words}{more}"


def _told(text: str, error: Any) -> tuple[int, str]:
    place = [*error["loc"], *error.get("ctx", {}).get("place", ())]
    name = _name(place)
    return line_of(text, place), f"{name}: {_expected(error, place)}" if name else _expected(error, place)


def _expected(error: Any, place: Sequence[str | int]) -> str:
    context, type_ = error.get("ctx", {}), error["type"]
    if type_ == "value_error":
        return str(context["error"])
    if type_ == "string_pattern_mismatch":
        return _PATTERNS.get(
            str(place[-1]), "the name of an environment variable was expected: BACKEND_LOGIN"
        )
    if type_ == "tuple_type" and place == ["accounts"]:
        return "tables were expected, each under [[accounts]] with two brackets"
    words = _EXPECTED.get(type_)
    return words.format(**context) if words else str(error["msg"])


def _name(place: Sequence[str | int]) -> str:
    """`accounts[2].albums[1]`, counted from 1 as people do."""
    pieces = [f"[{piece + 1}]" if isinstance(piece, int) else f".{piece}" for piece in place]
    return "".join(pieces).removeprefix(".")


def line_of(text: str, place: Sequence[str | int]) -> int:
    """The line where a key stands, from 1: the first behind which the file holds it.

    For a key that is missing, the line of its table; for an item of a list, the list's.
    """
    lines = text.splitlines()
    for length in range(len(place), 0, -1):
        wanted = place[:length]
        end = bisect_left(range(1, len(lines) + 1), True, key=lambda n: _holds(_prefix(lines, n)[1], wanted))
        if end < len(lines):
            return _prefix(lines, end)[0] + 1
    return 1


def _prefix(lines: Sequence[str], count: int) -> tuple[int, Any]:
    """The longest beginning of at most `count` lines that is TOML, and what it holds."""
    while True:
        try:
            return count, tomllib.loads("\n".join(lines[:count]) + "\n")
        except tomllib.TOMLDecodeError:
            count -= 1


def _holds(value: Any, place: Sequence[str | int]) -> bool:
    for piece in place:
        try:
            value = value[piece]
        except (KeyError, IndexError, TypeError):
            return False
    return True
