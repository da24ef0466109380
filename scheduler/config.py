"""The configuration file, mparchive.toml: which accounts are watched, when, and who is notified."""

import os
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, model_validator

from archive.db.settings import ArchiveSettings
from archive.domain.messages import Message
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
from scheduler.config_errors import ConfigError, ConfigMistake, config_error, parse_toml

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
    neighbours: Minutes | None = None
    list: Minutes | None = None


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


class Alarms(Kept):
    """Whom to notify: apprise addresses, one per line, in a file or an environment variable."""

    what = "urls"

    urls_file: FileName | None = None
    urls_env: VariableName | None = None
    again_after_hours: Annotated[Number, Field(ge=1, le=24 * 7)] = 6  # one alarm per key in so long


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
    alarms: Alarms | None = None
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
