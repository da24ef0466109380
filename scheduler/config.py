"""The configuration file, mparchive.toml: which accounts are watched, when, and who is notified."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from archive.db.settings import ArchiveSettings
from archive.domain.errors import MessageError
from archive.domain.messages import Message
from archive.system.files import FileUnusable, read_small
from crawler.discovery.config import (
    FOLDER,
    LONGEST,
    SHORTEST,
    AccountConfig,
    ConfigTable,
    FileName,
    Kept,
    Number,
    VariableName,
    mistake_at,
)
from crawler.media.settings import SettingError, quoted

MAX_CONFIG_BYTES = 256 * 1024  # bytes; two hundred accounts with all their sources have 100,000

_PATTERNS = {
    "appid": "scheduler.config.expected.appid",
    "login": "scheduler.config.expected.login",
    "at": "scheduler.config.expected.time_of_day",
}  # any other pattern is that of a variable's name

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


FILE_NAME = "mparchive.toml"

VARIABLE = "MPARCHIVE_CONFIG"

MAX_ACCOUNTS = 200  # at 6 s a request, a round of more takes over an hour


def _check_hours(text: str) -> str:
    quiet_between(text)
    return text


def quiet_between(text: str) -> tuple[time, time]:
    """Read `23:00-07:00` as two times of day in Asia/Shanghai. Raises ConfigMistake, a ValueError."""
    try:
        first, last = (time.fromisoformat(part.strip()) for part in text.split("-"))
    except ValueError:
        raise ConfigMistake("scheduler.config.not_hours", text=repr(text[:40])) from None
    if first == last:
        raise ConfigMistake("scheduler.config.empty_hours", text=repr(text))
    return first, last


Minutes = Annotated[Number, Field(ge=SHORTEST, le=LONGEST)]


class SourceMinutes(ConfigTable):
    """Minutes between two checks of one kind of source, instead of the account's own rhythm."""

    album: Minutes | None = None
    feed: Minutes | None = None
    own_backend: Minutes | None = None
    official: Minutes | None = None
    weread: Minutes | None = None
    weread_agent: Minutes | None = None
    neighbours: Minutes | None = None
    list: Minutes | None = None
    command: Minutes | None = None


class Schedule(ConfigTable):
    """When sources are checked. Times of day are in Asia/Shanghai."""

    quiet_hours: Annotated[str, AfterValidator(_check_hours)] | None = None  # nothing is checked within
    default_minutes: Minutes = 60  # until the archive has shown the account's rhythm
    shortest_minutes: Minutes = SHORTEST  # when it usually publishes
    longest_minutes: Minutes = 12 * 60  # when it never does
    jitter_percent: Annotated[Number, Field(ge=0, le=50)] = 10  # of each interval, either way
    every_minutes: SourceMinutes = SourceMinutes()

    @model_validator(mode="after")
    def _in_order(self) -> "Schedule":
        if not self.shortest_minutes <= self.default_minutes <= self.longest_minutes:
            raise ConfigMistake("scheduler.config.minutes_out_of_order")
        return self


def _check_own_folder(folder: Path, info: ValidationInfo) -> Path:
    config_folder = (info.context or {}).get(FOLDER)
    if config_folder is not None and folder.resolve() == Path(config_folder).resolve():
        raise ConfigMistake("scheduler.config.inbox_folder")
    return folder


class InboxConfig(ConfigTable):
    """A watched folder: dumps, lists, saved pages and WARC files put there are imported."""

    folder: Annotated[FileName, AfterValidator(_check_own_folder)]


def _check_place(text: str, info: ValidationInfo) -> str:
    """Return an address as it is, and a folder as seen from that of the configuration."""
    from archive.backup.object_store import check_address  # noqa: PLC0415 - only this table needs it

    try:
        check_address(text)
    except MessageError as error:
        raise ConfigMistake(error.message.code, **error.message.params) from None
    config_folder = (info.context or {}).get(FOLDER)
    folder = Path(text).expanduser()
    return text if "://" in text else str(Path(config_folder, folder) if config_folder else folder)


def _check_keep(text: str) -> str:
    from archive.backup.retention import Retention  # noqa: PLC0415 - as above

    try:
        Retention.parse(text)
    except MessageError as error:
        raise ConfigMistake(error.message.code, **error.message.params) from None
    return text


class BackupConfig(ConfigTable):
    """The backup that the daemon makes: where to, which ones it keeps, and when.

    `at` is a time of day in Asia/Shanghai; `every_hours` is used instead where it is set.
    """

    to: Annotated[str, AfterValidator(_check_place)]
    keep: Annotated[str, AfterValidator(_check_keep)] | None = None  # None: all
    at: Annotated[str, Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "03:30"
    every_hours: Annotated[Number, Field(ge=1, le=24 * 7)] | None = None

    @model_validator(mode="after")
    def _one_rhythm(self) -> Self:
        if self.every_hours is not None and "at" in self.model_fields_set:
            raise ConfigMistake("scheduler.config.at_or_every_hours")
        return self


class Alarms(Kept):
    """Whom to notify: apprise addresses, one per line, in a file or an environment variable."""

    what = "urls"

    urls_file: FileName | None = None
    urls_env: VariableName | None = None
    again_after_hours: Annotated[Number, Field(ge=1, le=24 * 7)] = 6  # one alarm per key in so long


class Ping(Kept):
    """A monitoring service that raises an alarm when the daemon's pings stop."""

    what = "url"

    url_file: FileName | None = None
    url_env: VariableName | None = None


class Limits(ConfigTable):
    """Bounds of the daemon's work."""

    pages_a_crawl: Annotated[Number, Field(ge=1, le=5000)] = 500  # 50 minutes at 6 s each
    crawl_minutes: Annotated[Number, Field(ge=1, le=24 * 60)] = 60  # what is not asked by then is still due
    revisits_a_day: Annotated[Number, Field(ge=0, le=10_000)] = 200
    free_disk_mb: Annotated[Number, Field(ge=100)] = 2048  # less raises an alarm
    quiet_after_hours: Annotated[Number, Field(ge=1)] = 36  # no account is called quiet sooner


def _check_address(text: str) -> str:
    host, port = host_and_port(text)
    if not host or not 0 <= port <= 65535:
        raise ConfigMistake("scheduler.config.not_an_address", text=repr(text[:80]))
    return text


def host_and_port(text: str) -> tuple[str, int]:
    """Split `127.0.0.1:8788` or `[::1]:8788`; the port is -1 where there is none."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port) if port.isascii() and port.isdecimal() else -1


class ReadingRoom(ConfigTable):
    """The web pages of the archive, served by a process of the daemon's."""

    listen: Annotated[str, AfterValidator(_check_address)] = "127.0.0.1:8788"

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port."""
        return host_and_port(self.listen)


class Config(ConfigTable):
    """A whole configuration, checked."""

    accounts: Annotated[tuple[AccountConfig, ...], Field(max_length=MAX_ACCOUNTS)] = ()
    schedule: Schedule = Schedule()
    inbox: InboxConfig | None = None
    backup: BackupConfig | None = None
    alarms: Alarms | None = None
    ping: Ping | None = None
    limits: Limits = Limits()
    reading_room: ReadingRoom | None = None

    @model_validator(mode="after")
    def _some_accounts(self) -> "Config":
        if not self.accounts:
            raise ConfigMistake("scheduler.config.no_account")
        return self

    @model_validator(mode="after")
    def _one_table_an_account(self) -> "Config":
        seen: dict[str, int] = {}
        for number, account in enumerate(self.accounts):
            first = seen.setdefault(account.biz, number)
            if first != number:
                same = Message("scheduler.config.same_account", {"name": self.accounts[first].name})
                raise mistake_at(same, "accounts", number, "biz")
        return self


def find_config(
    environment: Mapping[str, str] = os.environ, home: Path | None = None, here: Path | None = None
) -> Path:
    """Return the file that MPARCHIVE_CONFIG names, else ./mparchive.toml, else <home>/mparchive.toml.

    Raises ConfigError when there is none.
    """
    if named := environment.get(VARIABLE):
        path = Path(named).expanduser()
        if not path.is_file():
            raise ConfigError("scheduler.config.no_such_file", variable=VARIABLE, path=named)
        return path
    places = [(here or Path.cwd()) / FILE_NAME, (home or ArchiveSettings().home) / FILE_NAME]
    for path in places:
        if path.is_file():
            return path
    raise ConfigError("scheduler.config.none", first=places[0], second=places[1])


def load_config(path: Path) -> Config:
    """Read and check a configuration. Raises ConfigError: the file, the key, and what was expected."""
    values = parse_toml(path)
    try:
        return Config.model_validate(values, context={FOLDER: path.absolute().parent})
    except ValidationError as error:
        raise config_error(path, error) from None


DEFAULT_METRICS_HOST = "127.0.0.1"

MAX_PORT = 65535  # of TCP


class SchedulerSettings(BaseSettings):
    """MPARCHIVE_EGRESS names the egress that this machine uses; MPARCHIVE_METRICS is a port or host:port.

    All machines that share an address on the internet share an egress, and are challenged together. So
    without a name all are taken to share one: too polite at worst.
    """

    model_config = SettingsConfigDict(env_prefix="MPARCHIVE_", env_ignore_empty=True, frozen=True)

    egress: str = Field(default="default", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    metrics: str | None = Field(default=None, pattern=r"^([A-Za-z0-9.-]+:|\[[0-9a-fA-F:]+\]:)?[0-9]{1,5}$")

    @field_validator("metrics")
    @classmethod
    def _is_port(cls, value: str | None) -> str | None:
        if value is not None and int(value.rpartition(":")[2]) > MAX_PORT:
            raise ValueError("no such port")
        return value

    @classmethod
    def read(cls) -> Self:
        """Read the environment. Raises SettingError."""
        try:
            return cls()
        except ValidationError as error:
            (wrong, *_) = error.errors()
            name = str(wrong["loc"][0])
            raise SettingError(
                "scheduler.settings.refused",
                variable=f"MPARCHIVE_{name.upper()}",
                value=quoted(wrong["input"]),
                expected=Message(f"scheduler.settings.expected.{name}"),
            ) from None

    @property
    def metrics_at(self) -> tuple[str, int] | None:
        """Return host and port, on loopback unless a host is named; None: no metrics."""
        if self.metrics is None:
            return None
        host, _, port = self.metrics.rpartition(":")
        return host.strip("[]") or DEFAULT_METRICS_HOST, int(port)
