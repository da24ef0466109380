"""Configuration tables of accounts and their sources, and reads of the secrets that these name."""

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

from archive.domain.addresses import HOST, public_part
from archive.domain.errors import MessageError, file_message
from archive.domain.messages import Message
from archive.domain.weekly_digest import DIGEST_TITLE
from archive.system.files import FileUnusable, read_secret_file, read_small
from crawler.redaction import register_secret

FOLDER = "folder"  # key of the validation context: the folder that relative file names start from

MAX_SECRET = 64 * 1024  # bytes; a cookie has a few thousand

MAX_SOURCES = 100  # of a kind and an account; each is asked on its own

MAX_ADDRESS = 2048  # characters

# Of a login to WeRead within 24 hours: people report captchas beyond about a dozen calls, and refusals that
# last a day after 30.
LOOKS_A_DAY, MAX_LOOKS_A_DAY = 12, 24

SHORTEST, LONGEST = 15, 24 * 60  # minutes between two checks: polite, and still up to date

# In an address, the place of a secret: {env:RSSHUB_KEY} or {file:/run/secrets/rsshub_key}
PLACEHOLDER = re.compile(r"\{(env|file):([^{}]+)\}")

_SECRET_KEYS = frozenset(
    ("appsecret", "cookie", "cookies", "credentials", "key", "passwd", "password", "secret", "token", "urls")
)

_SECRET_PARAMETERS = frozenset(
    (
        *("access_key", "access_token", "accesskey", "api_key", "api_token", "apikey", "auth", "auth_token"),
        *("code", "feed_token", "key", "pass", "passwd", "password", "pwd", "rss_token", "secret"),
        *("secret_key", "sig", "sign", "signature", "token", "user_token"),
    )
)


class InvalidValue(MessageError, ValueError):
    """A value of the configuration is wrong; pydantic turns it into its own error, with this one in it."""


class SecretMissing(MessageError):
    """A secret is not where the configuration says. The message holds none of it."""

    @classmethod
    def from_file(cls, error: FileUnusable) -> Self:
        """Return the error for a file that cannot be read."""
        message = file_message(error)
        return cls(message.code, **message.params)


def mistake_at(message: Message, *place: str | int) -> PydanticCustomError:
    """Return an error to raise in a table's validator, about a key within the table."""
    context = {"words": str(message), "message": message, "place": list(place)}
    return PydanticCustomError("mistake", "{words}", context)


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # no file, variable or account has one in its name


class ConfigTable(BaseModel):
    """A table of the configuration file. Wrong values raise pydantic's ValidationError."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, value: Any) -> Any:
        for key, given in value.items() if isinstance(value, dict) else ():
            if key not in cls.model_fields:
                raise mistake_at(cls._unknown_key(key), key)
            if isinstance(given, str) and _CONTROL.search(given):
                raise mistake_at(Message("crawler.config.control_character"), key)
        return value

    @classmethod
    def _unknown_key(cls, key: str) -> Message:
        known = list(cls.model_fields)
        references = [name for name in known if name.endswith(("_file", "_env"))]
        if key.lower() in _SECRET_KEYS and references:
            return Message("crawler.config.secret_key", {"names": references})
        if near := get_close_matches(key, known, n=1):
            return Message("crawler.config.unknown_key_near", {"near": near[0]})
        return Message("crawler.config.unknown_key", {"known": known})


def _absolute(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get(FOLDER)
    path = path.expanduser()
    return Path(folder) / path if folder is not None else path


Number = Annotated[int, Strict()]  # "5" and true are no numbers

Switch = Annotated[bool, Strict()]

FileName = Annotated[Path, AfterValidator(_absolute)]

VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]


class Kept(ConfigTable):
    """A table that says where a secret is: with exactly one of `<what>_file` and `<what>_env`."""

    what: ClassVar[str]

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self._reference("file") is None) == (self._reference("env") is None):
            names = {"file": f"{self.what}_file", "variable": f"{self.what}_env"}
            raise InvalidValue("crawler.config.one_reference", **names)
        return self

    def _reference(self, kind: str) -> Path | str | None:
        reference: Path | str | None = getattr(self, f"{self.what}_{kind}")
        return reference

    def read_secret(self, environment: Mapping[str, str] = os.environ) -> str:
        """Return the secret, stripped. Raises SecretMissing when it is not there, or empty."""
        path = self._reference("file")
        return _read_file(Path(path)) if path else _read_variable(str(self._reference("env")), environment)


class OwnBackendConfig(Kept):
    """The operator's own login to the account's back-end."""

    what = "credentials"

    credentials_file: FileName | None = None
    credentials_env: VariableName | None = None


class OfficialConfig(Kept):
    """The credentials for WeChat's official API, of an account of one's own."""

    what = "secret"

    appid: Annotated[str, Field(pattern=r"^wx[0-9a-f]{16}$")]
    secret_file: FileName | None = None
    secret_env: VariableName | None = None


LOGIN_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"  # also the name of a folder


class WeReadConfig(ConfigTable):
    """The user's own login to WeRead, which accounts may share; `weread = true` takes the defaults."""

    login: Annotated[str, Field(pattern=LOGIN_NAME)] = "default"
    looks_a_day: Annotated[Number, Field(ge=1, le=MAX_LOOKS_A_DAY)] = LOOKS_A_DAY

    @model_validator(mode="before")
    @classmethod
    def _defaults_for_true(cls, value: Any) -> Any:
        return {} if value is True else value


class WeReadAgentConfig(Kept):
    """The user's own key to WeRead's Agent Gateway."""

    what = "key"

    key_file: FileName | None = None
    key_env: VariableName | None = None
    skill_version: Annotated[str, Field(min_length=1, max_length=20)] = "1.0.3"  # of the documented interface


def fill_placeholders(address: str, environment: Mapping[str, str] = os.environ) -> tuple[str, bool]:
    """Return an address with its placeholders replaced, and whether there were any: then it is secret.

    From now on this process neither logs nor stores what they stand for.

    Raises SecretMissing.
    """

    def value(match: re.Match[str]) -> str:
        kind, name = match.groups()
        secret = _read_file(Path(name)) if kind == "file" else _read_variable(name, environment)
        register_secret(secret)
        return secret

    filled = PLACEHOLDER.sub(value, address)
    return filled, filled != address


def read_address_file(path: Path, limit: int) -> bytes:
    """Return the content of a file of at most `limit` bytes. Raises SecretMissing."""
    try:
        return read_small(path, limit, "split it")
    except FileUnusable as error:
        raise SecretMissing.from_file(error) from None


def _read_file(path: Path) -> str:
    try:
        content = read_secret_file(path, MAX_SECRET, "no secret has")
    except FileUnusable as error:
        raise SecretMissing.from_file(error) from None
    text = content.decode("utf-8-sig", "replace").strip()
    if not text:
        raise SecretMissing("crawler.config.file_empty", path=path)
    return text


def _read_variable(name: str, environment: Mapping[str, str]) -> str:
    if name not in environment:
        raise SecretMissing("crawler.config.variable_missing", name=name)
    if not (text := environment[name].strip()):
        raise SecretMissing("crawler.config.variable_empty", name=name)
    return text


def _check_biz(text: str) -> str:
    """Check a `__biz`, which is a number in base64 (MjM5… or Mz…)."""
    padded = text + "=" * (-len(text) % 4)
    try:
        number = b64decode(padded, validate=True)
    except ValueError:  # also raised for text that is not ASCII, such as a name
        number = b""
    if not number.isdigit():
        raise InvalidValue("crawler.config.not_biz", text=repr(text[:80]))
    if padded != text:
        raise InvalidValue("crawler.config.biz_cut", text=repr(text), whole=repr(padded))
    return text


def _album_id(text: str) -> str:
    """Return the id of an album from the id itself or the album's address."""
    album = text.strip()
    if "://" in album or album.startswith(HOST):
        parts = urlsplit(album if "://" in album else f"https://{album}")
        query = parse_qs(parts.query.replace("&amp;", "&"))
        album = query.get("album_id", [""])[0] if parts.hostname == HOST else ""
    if not re.fullmatch(r"[0-9]{1,20}", album):
        raise InvalidValue("crawler.config.not_album", text=repr(text[:120]), host=HOST)
    return album


def _check_feed(text: str) -> str:
    """Check the address of a feed; secrets stand in it as placeholders."""
    try:
        parts = urlsplit(PLACEHOLDER.sub("x", text))
        host, has_user = parts.hostname, parts.username is not None
        parts.port  # noqa: B018 - raises ValueError for a wrong port
    except ValueError:
        host, has_user = None, False
    if not host or parts.scheme not in ("http", "https"):
        raise InvalidValue("crawler.config.not_address", text=repr(public_part(text)[:120]))
    if has_user or any(_is_secret(name, value) for name, value in parse_qsl(urlsplit(text).query)):
        raise InvalidValue("crawler.config.secret_in_address", text=repr(public_part(text)[:120]))
    return text


def _is_secret(name: str, value: str) -> bool:
    return name.lower() in _SECRET_PARAMETERS and not PLACEHOLDER.fullmatch(value)


def _check_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise InvalidValue("crawler.config.not_pattern", text=repr(text), error=str(error)) from None
    return text


Biz = Annotated[str, AfterValidator(_check_biz)]

AlbumId = Annotated[str, AfterValidator(_album_id)]

FeedAddress = Annotated[str, Field(max_length=MAX_ADDRESS), AfterValidator(_check_feed)]

TitlePattern = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_pattern)]


def _from_folder(command: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    """Take a program that is named with a folder from the folder of the configuration."""
    program = command[0]
    return (str(_absolute(Path(program), info)) if "/" in program else program, *command[1:])


_Argument = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")]

Command = Annotated[tuple[_Argument, ...], Field(min_length=1, max_length=64), AfterValidator(_from_folder)]


class AccountConfig(ConfigTable):
    """One `[[accounts]]` of the configuration. `model_dump_json` passes it to a child process."""

    biz: Biz
    name: Annotated[str, Field(min_length=1, max_length=100)]
    albums: Annotated[tuple[AlbumId, ...], Field(max_length=MAX_SOURCES)] = ()
    follow_albums: Switch = True  # list also the albums that its posts belong to
    feeds: Annotated[tuple[FeedAddress, ...], Field(max_length=MAX_SOURCES)] = ()  # see fill_placeholders
    addresses_file: FileName | None = None
    command: Command | None = None
    own_backend: OwnBackendConfig | None = None
    official: OfficialConfig | None = None
    weread: WeReadConfig | None = None
    weread_agent: WeReadAgentConfig | None = None
    digest_title: TitlePattern = DIGEST_TITLE  # a regular expression, searched for in titles
    every_minutes: Annotated[Number, Field(ge=SHORTEST, le=LONGEST)] | None = None  # None: adaptive
