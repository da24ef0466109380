"""Reading the accounts that scripts for the closed listing call keep in a JSON object, as `app.json`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import unquote

from pydantic import TypeAdapter, ValidationError

from crawler.discovery.config import Biz
from mparchive.importers.items import Flaw, InputError, NoInput

MAX_FILE = 1024 * 1024  # bytes; a thousand accounts have a tenth of it

MAX_DEPTH = 3  # of objects within objects, and of lists within lists: the accounts stand near the top

_BIZ = ("fakeid", "biz", "__biz", "bizuin")  # keys, in lower case

_NAMES = ("officalaccout", "officialaccount", "公众号名称", "nickname", "nick_name", "gzh_name", "name")

_biz = TypeAdapter(Biz)


@dataclass(frozen=True, slots=True)
class NamedAccount:
    """An account that an input names; the name is empty where it tells none."""

    biz: str
    name: str


def read_accounts(stream: BinaryIO, name: str) -> Iterator[NamedAccount | Flaw]:
    """The accounts of a JSON object, each once. Cookies and tokens in it are not looked at.

    Raises InputError when it names none.
    """
    found: dict[str, NamedAccount] = {}
    flaws = []
    for number, entry in enumerate(_entries(_object(stream, name), MAX_DEPTH), 1):
        account = _account(entry)
        if isinstance(account, NamedAccount):
            found.setdefault(account.biz, account)
        else:
            flaws.append(Flaw(name, f"account {number}", account))
    if not found and not flaws:
        raise NoInput(
            f"{name} is one JSON object without any account (fakeId); a dump is an array of records: [{{…}}]"
        )
    yield from found.values()
    yield from flaws


def _object(stream: BinaryIO, name: str) -> Any:
    content = stream.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise InputError(f"{name} has over {MAX_FILE} bytes; a list of accounts is smaller")
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise NoInput(f"{name} begins like a JSON object, but is none") from None


def _entries(value: Any, depth: int, lists: int = MAX_DEPTH) -> Iterator[dict[str, Any]]:
    """Every object that has a key for a biz, however deep it stands."""
    if isinstance(value, list):
        for item in value if lists else ():
            yield from _entries(item, depth, lists - 1)
    elif isinstance(value, dict):
        if _first(value, _BIZ) is not None:
            yield value
        elif depth:
            for item in value.values():
                yield from _entries(item, depth - 1)


def _first(entry: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """The value of the first of these keys, whatever their case."""
    lower = {key.lower(): value for key, value in entry.items()}
    return next((lower[key].strip() for key in keys if isinstance(lower.get(key), str)), None)


def _account(entry: dict[str, Any]) -> NamedAccount | str:
    """The account of an entry, or what is wrong with it; the biz may stand as in addresses: %3D%3D."""
    try:
        return NamedAccount(
            _biz.validate_python(unquote(_first(entry, _BIZ) or "")), _first(entry, _NAMES) or ""
        )
    except ValidationError as error:
        first = error.errors()[0]
        return str(first.get("ctx", {}).get("error") or first["msg"])
