"""Mistakes in a TOML file, each as one sentence: the file, the key, and what was expected."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archive.domain.errors import MessageError
from archive.domain.messages import Message
from archive.system.files import FileUnusable, read_small

MAX_CONFIG_BYTES = 256 * 1024  # bytes; two hundred accounts with all their sources have 100,000

_PATTERNS = {"appid": "scheduler.config.expected.appid"}  # any other pattern is that of a variable's name

# Of pydantic's error types; the parameters of these messages are those of pydantic.
_EXPECTED = {
    "missing": "scheduler.config.expected.key",
    "string_type": "scheduler.config.expected.text",
    "int_type": "scheduler.config.expected.whole_number",
    "bool_type": "scheduler.config.expected.true_or_false",
    "tuple_type": "scheduler.config.expected.list",
    "path_type": "scheduler.config.expected.file_name",
    "model_type": "scheduler.config.expected.table",
    "model_attributes_type": "scheduler.config.expected.table",
    "string_too_short": "scheduler.config.expected.some_text",
    "greater_than_equal": "scheduler.config.expected.at_least",
    "less_than_equal": "scheduler.config.expected.at_most",
    "string_too_long": "scheduler.config.expected.shorter_text",
    "too_long": "scheduler.config.expected.fewer_entries",
}


class ConfigError(MessageError):
    """The configuration cannot be used; the message is one sentence."""


class ConfigMistake(MessageError, ValueError):
    """A value of the configuration is wrong; validators raise it, and pydantic wraps it."""


def parse_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file. Raises ConfigError when it cannot be read, or is not TOML."""
    try:
        return tomllib.loads(_read_text(path))
    except RecursionError:
        raise ConfigError("scheduler.config.too_deep", path=path) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("scheduler.config.not_toml", path=path, reason=str(error)) from None


def _read_text(path: Path) -> str:
    try:
        content = read_small(path, MAX_CONFIG_BYTES, str(Message("scheduler.config.no_such_size")))
    except FileUnusable as error:
        raise ConfigError("scheduler.config.unreadable", reason=_message_of(error)) from None
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError("scheduler.config.not_utf8", path=path, line=line) from None


def config_error(path: Path, error: ValidationError) -> ConfigError:
    """Return the first mistake that pydantic found as an error, with the number of the others."""
    first, *others = error.errors()
    context = first.get("ctx", {})
    place = [*first["loc"], *context.get("place", ())]
    expected = _expected(first["type"], context, place, str(first["msg"]))
    if place:
        expected = Message("scheduler.config.at_key", {"key": key_path(place), "expected": expected})
    if not others:
        return ConfigError("scheduler.config.mistake", path=path, mistake=expected)
    return ConfigError("scheduler.config.mistakes", path=path, mistake=expected, n=len(others))


def _expected(kind: str, context: Any, place: Sequence[str | int], words: str) -> Message:
    if isinstance(context.get("message"), Message):
        return Message(context["message"].code, context["message"].params)
    if kind == "value_error":
        return _message_of(context["error"])
    if kind == "string_pattern_mismatch":
        return Message(_PATTERNS.get(str(place[-1]), "scheduler.config.expected.variable_name"))
    if kind == "tuple_type" and place == ["accounts"]:
        return Message("scheduler.config.expected.account_tables")
    code = _EXPECTED.get(kind)
    return Message(code, context) if code else Message.load(words)


def _message_of(error: BaseException) -> Message:
    """Return the message of an error, or its text where it carries none."""
    return error.message if isinstance(error, MessageError) else Message.load(str(error))


def key_path(place: Sequence[str | int]) -> str:
    """Return a key as `accounts[2].albums[1]`, counted from 1 as people do."""
    pieces = [f"[{piece + 1}]" if isinstance(piece, int) else f".{piece}" for piece in place]
    return "".join(pieces).removeprefix(".")
