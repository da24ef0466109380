"""What every table of the configuration has in common: no unknown key, no secret, whole file names."""

import os
import re
from base64 import b64decode
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import parse_qs, parse_qsl, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from archive.domain.addresses import HOST
from archive.domain.weekly_digest import DIGEST_TITLE
from archive.system.files import FileUnusable, read_secret_file

FOLDER = "folder"  # key of the validation context: the folder that relative file names start from

Number = Annotated[int, Strict()]  # "5" and true are no numbers

Switch = Annotated[bool, Strict()]

_SECRETS = frozenset(
    ("appsecret", "cookie", "cookies", "credentials", "key", "passwd", "password", "secret", "token", "urls")
)


def mistake(words: str, *place: str | int) -> PydanticCustomError:
    """To raise in a validator: what is wrong with a key of the table, told where the key stands."""
    return PydanticCustomError("mistake", "{words}", {"words": words, "place": list(place)})


class Table(BaseModel):
    """A table of the configuration file, checked; a mistake is a pydantic ValidationError."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, value: Any) -> Any:
        for key in value if isinstance(value, dict) else ():
            if key not in cls.model_fields:
                raise mistake(cls._unknown(key), key)
        return value

    @classmethod
    def _unknown(cls, key: str) -> str:
        known = list(cls.model_fields)
        outside = [name for name in known if name.endswith(("_file", "_env"))]
        if key.lower() in _SECRETS and outside:
            return (
                f"a secret does not belong into this file; name where it stands with {' or '.join(outside)}"
            )
        near = get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return f"there is no such key; {hint}"


def _absolute(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get(FOLDER)
    path = path.expanduser()
    return Path(folder) / path if folder is not None else path


FileName = Annotated[Path, AfterValidator(_absolute)]

MAX_SECRET = 64 * 1024  # bytes; a cookie has a few thousand

VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]

# In an address, what stands for a secret: {env:RSSHUB_KEY} or {file:/run/secrets/rsshub_key}
PLACEHOLDER = re.compile(r"\{(env|file):([^{}]+)\}")


class SecretMissing(Exception):
    """A secret is not where the configuration says; one sentence, without any of it."""


class Kept(Table):
    """A table that names where a secret is kept: exactly one of `<what>_file` and `<what>_env`."""

    what: ClassVar[str]

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self._named("file") is None) == (self._named("env") is None):
            raise ValueError(f"one of {self.what}_file and {self.what}_env was expected")
        return self

    def _named(self, form: str) -> Path | str | None:
        named: Path | str | None = getattr(self, f"{self.what}_{form}")
        return named

    def read_secret(self, environment: Mapping[str, str] = os.environ) -> str:
        """The secret, without space around it. Raises SecretMissing when it is not there, or empty."""
        path = self._named("file")
        return _from_file(Path(path)) if path else _from_variable(str(self._named("env")), environment)


class OwnBackend(Kept):
    """The operator's own login to the account's back-end."""

    what = "credentials"

    credentials_file: FileName | None = None
    credentials_env: VariableName | None = None


class Official(Kept):
    """WeChat's official interface, of an account one runs."""

    what = "secret"

    appid: Annotated[str, Field(pattern=r"^wx[0-9a-f]{16}$")]
    secret_file: FileName | None = None
    secret_env: VariableName | None = None


def filled(address: str, environment: Mapping[str, str] = os.environ) -> tuple[str, bool]:
    """An address with its placeholders replaced, and whether there were any: then it is a secret itself.

    Raises SecretMissing.
    """

    def value(found: re.Match[str]) -> str:
        form, name = found.groups()
        return _from_file(Path(name)) if form == "file" else _from_variable(name, environment)

    whole = PLACEHOLDER.sub(value, address)
    return whole, whole != address


def _from_file(path: Path) -> str:
    try:
        content = read_secret_file(path, MAX_SECRET, "no secret has")
    except FileUnusable as error:
        raise SecretMissing(str(error)) from None
    return _not_empty(content.decode("utf-8-sig", "replace"), str(path))


def _from_variable(name: str, environment: Mapping[str, str]) -> str:
    if name not in environment:
        raise SecretMissing(f"the environment variable {name} is not set")
    return _not_empty(environment[name], f"the environment variable {name}")


def _not_empty(text: str, where: str) -> str:
    if not text.strip():
        raise SecretMissing(f"{where} is empty")
    return text.strip()


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
    digest_title: Pattern = DIGEST_TITLE  # a regular expression, searched for in titles
    every_minutes: Annotated[Number, Field(ge=SHORTEST, le=LONGEST)] | None = None  # None: by its own rhythm
