"""An account to watch: who it is, and where its new posts may be seen. No secret is in it, only names."""

import re
from base64 import b64decode
from typing import Annotated
from urllib.parse import parse_qs, parse_qsl, urlsplit

from pydantic import AfterValidator, Field

from archive.address import HOST
from archive.digest import DIGEST
from crawler.discovery.secret import PLACEHOLDER, Official, OwnBackend
from crawler.discovery.table import FileName, Number, Switch, Table

MAX_SOURCES = 100  # of a kind and an account; each is asked for one by one
MAX_ADDRESS = 2048  # characters
SHORTEST, LONGEST = 15, 24 * 60  # minutes between two looks: polite, and still news
_SECRET_PARAMETERS = frozenset(
    ("access_token", "api_key", "apikey", "auth", "code", "key", "password", "secret", "token")
)


def _biz(text: str) -> str:
    """A `__biz` is a number in base64: MjM5… or Mz…"""
    padded = text + "=" * (-len(text) % 4)
    try:
        number = b64decode(padded, validate=True)
    except ValueError:  # also where it is not even ASCII, as a name is not
        number = b""
    if not number.isdigit():
        raise ValueError(
            f"{text[:80]!r} is no __biz; it stands in every long address of the account: __biz=MzA…=="
        )
    if padded != text:
        raise ValueError(f"{text!r} lost its end; {padded!r} was expected")
    return text


def _album(text: str) -> str:
    """The id of an album, given itself or in the album's address."""
    given = text.strip()
    if "://" in given or given.startswith(HOST):
        parts = urlsplit(given if "://" in given else f"https://{given}")
        query = parse_qs(parts.query.replace("&amp;", "&"))
        given = query.get("album_id", [""])[0] if parts.hostname == HOST else ""
    if not re.fullmatch(r"[0-9]{1,20}", given):
        raise ValueError(
            f"{text[:120]!r} is neither an album's number nor its address "
            f"(https://{HOST}/mp/appmsgalbum?…album_id=…)"
        )
    return given


def _feed(text: str) -> str:
    """A feed's address; what is secret in it is a placeholder (crawler.discovery.secret)."""
    try:
        parts = urlsplit(PLACEHOLDER.sub("x", text))
        host, named = parts.hostname, parts.username is not None
        parts.port  # noqa: B018 - raises ValueError when it is none
    except ValueError:
        host, named = None, False
    if not host or parts.scheme not in ("http", "https"):
        raise ValueError(f"{_without_query(text)!r} is no address; https://… was expected")
    if named or any(_is_secret(name, value) for name, value in parse_qsl(urlsplit(text).query)):
        raise ValueError(
            f"{_without_query(text)!r} holds a secret, which does not belong into this file; write "
            "{env:VARIABLE} or {file:/path} in its place"
        )
    return text


def _is_secret(name: str, value: str) -> bool:
    return name.lower() in _SECRET_PARAMETERS and not PLACEHOLDER.fullmatch(value)


def _without_query(text: str) -> str:
    """The address for messages: no user, no query, where secrets stand."""
    return re.sub(r"//[^/@]*@", "//", text.partition("?")[0])[:120]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None
    return text


Biz = Annotated[str, AfterValidator(_biz)]
Album = Annotated[str, AfterValidator(_album)]
Feed = Annotated[str, Field(max_length=MAX_ADDRESS), AfterValidator(_feed)]
Pattern = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_pattern)]


class AccountConfig(Table):
    """One `[[accounts]]` of the configuration. `model_dump_json` carries it to a child process."""

    biz: Biz
    name: Annotated[str, Field(min_length=1, max_length=100)]
    albums: Annotated[tuple[Album, ...], Field(max_length=MAX_SOURCES)] = ()  # their ids
    follow_albums: Switch = False  # also those met in its posts
    feeds: Annotated[tuple[Feed, ...], Field(max_length=MAX_SOURCES)] = ()  # see secret.filled
    addresses_file: FileName | None = None
    own_backend: OwnBackend | None = None
    official: Official | None = None
    digest_title: Pattern = DIGEST  # a regular expression, searched for in titles
    every_minutes: Annotated[Number, Field(ge=SHORTEST, le=LONGEST)] | None = None  # None: by its own rhythm
