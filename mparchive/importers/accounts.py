"""Read accounts from a JSON object such as `app.json`, which older scripts use."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import unquote

from pydantic import TypeAdapter, ValidationError

from archive.domain.messages import Message
from crawler.discovery.config import Biz
from mparchive.importers.items import Flaw, InputError, NothingToImport, message_of

MAX_FILE = 1024 * 1024  # bytes; a thousand accounts take a tenth of it

MAX_DEPTH = 3  # of nested objects, and of nested lists: accounts are near the top

_BIZ = ("fakeid", "biz", "__biz", "bizuin")  # keys, in lower case

_NAMES = ("officalaccout", "officialaccount", "公众号名称", "nickname", "nick_name", "gzh_name", "name")

_biz = TypeAdapter(Biz)


@dataclass(frozen=True, slots=True)
class NamedAccount:
    """An account that an input names; `name` is empty where the input has none."""

    biz: str
    name: str


def read_accounts(stream: BinaryIO, name: str) -> Iterator[NamedAccount | Flaw]:
    """Yield the accounts of a JSON object, each once. Cookies and tokens in it are not read.

    Raises InputError when it names no account.
    """
    found: dict[str, NamedAccount] = {}
    flaws = []
    for number, entry in enumerate(_entries(_read_json(stream, name), MAX_DEPTH), 1):
        account = _account(entry)
        if isinstance(account, NamedAccount):
            found.setdefault(account.biz, account)
        else:
            flaws.append(Flaw(name, Message("mparchive.input.account", {"number": number}), account))
    if not found and not flaws:
        raise NothingToImport("mparchive.accounts.none", name=name)
    yield from found.values()
    yield from flaws


def _read_json(stream: BinaryIO, name: str) -> Any:
    content = stream.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise InputError("mparchive.accounts.too_large", name=name, bytes=MAX_FILE)
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise NothingToImport("mparchive.accounts.not_json", name=name) from None


def _entries(value: Any, depth: int, lists: int = MAX_DEPTH) -> Iterator[dict[str, Any]]:
    """Yield every object that has a key for a biz, down to MAX_DEPTH."""
    if isinstance(value, list):
        for item in value if lists else ():
            yield from _entries(item, depth, lists - 1)
    elif isinstance(value, dict):
        if _first_value(value, _BIZ) is not None:
            yield value
        elif depth:
            for item in value.values():
                yield from _entries(item, depth - 1)


def _first_value(entry: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """Return the text of the first of these keys, in upper or lower case."""
    lower = {key.lower(): value for key, value in entry.items()}
    return next((lower[key].strip() for key in keys if isinstance(lower.get(key), str)), None)


def _account(entry: dict[str, Any]) -> NamedAccount | Message:
    """Return the account of an entry, or what is wrong with it; the biz may be percent-encoded."""
    try:
        return NamedAccount(
            _biz.validate_python(unquote(_first_value(entry, _BIZ) or "")), _first_value(entry, _NAMES) or ""
        )
    except ValidationError as error:
        first = error.errors()[0]
        return message_of(first.get("ctx", {}).get("error") or ValueError(first["msg"]))
