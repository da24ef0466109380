"""The configuration file, mparchive.toml: which accounts are watched, when, and who is told."""

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
    FileName,
    Kept,
    Number,
    Table,
    VariableName,
    mistake_at,
)
from scheduler.config_errors import ConfigError, parsed, sentence

FILE_NAME = "mparchive.toml"

VARIABLE = "MPARCHIVE_CONFIG"

MAX_ACCOUNTS = 200  # at 6 s a request, a round of more takes over an hour


def _hours(text: str) -> str:
    quiet_between(text)
    return text


def quiet_between(text: str) -> tuple[time, time]:
    """`23:00-07:00` as two times of day in Asia/Shanghai. Raises ValueError saying what was expected."""
    try:
        first, last = (time.fromisoformat(part.strip()) for part in text.split("-"))
    except ValueError:
        raise ValueError(f'{text[:40]!r} are no hours; "23:00-07:00" was expected') from None
    if first == last:
        raise ValueError(f"{text!r} begins when it ends; leave quiet_hours out to have none")
    return first, last


Minutes = Annotated[Number, Field(ge=SHORTEST, le=LONGEST)]


class SourceMinutes(Table):
    """Minutes between two looks at one kind of source, instead of the account's rhythm."""

    album: Minutes | None = None
    feed: Minutes | None = None
    own_backend: Minutes | None = None
    official: Minutes | None = None
    neighbours: Minutes | None = None
    list: Minutes | None = None


class Schedule(Table):
    """When sources are asked. Times of day are in Asia/Shanghai."""

    quiet_hours: Annotated[str, AfterValidator(_hours)] | None = None  # nothing is asked within
    default_minutes: Minutes = 60  # until the archive has shown the account's rhythm
    shortest_minutes: Minutes = SHORTEST  # when it usually publishes
    longest_minutes: Minutes = 12 * 60  # when it never does
    jitter_percent: Annotated[Number, Field(ge=0, le=50)] = 10  # of each interval, either way
    every_minutes: SourceMinutes = SourceMinutes()

    @model_validator(mode="after")
    def _in_order(self) -> "Schedule":
        if not self.shortest_minutes <= self.default_minutes <= self.longest_minutes:
            raise ValueError("shortest_minutes <= default_minutes <= longest_minutes was expected")
        return self


def _of_its_own(folder: Path, info: ValidationInfo) -> Path:
    beside = (info.context or {}).get(FOLDER)
    if beside is not None and folder.resolve() == Path(beside).resolve():
        raise ValueError("a folder of its own was expected: all files in it are taken in and moved")
    return folder


class Inbox(Table):
    """A watched folder: dumps, lists, saved pages and WARC put there are taken in."""

    folder: Annotated[FileName, AfterValidator(_of_its_own)]


class Alarms(Kept):
    """Whom to tell: one address of apprise a line, kept in a file or an environment variable."""

    what = "urls"

    urls_file: FileName | None = None
    urls_env: VariableName | None = None
    again_after_hours: Annotated[Number, Field(ge=1, le=24 * 7)] = 6  # at most one alarm a key in so long


class Limits(Table):
    """Bounds of the daemon's work."""

    pages_a_crawl: Annotated[Number, Field(ge=1, le=5000)] = 500  # 50 minutes at 6 s each
    crawl_minutes: Annotated[Number, Field(ge=1, le=24 * 60)] = 60  # what is not asked by then is still due
    revisits_a_day: Annotated[Number, Field(ge=0, le=10_000)] = 200
    free_disk_mb: Annotated[Number, Field(ge=100)] = 2048  # less raises an alarm
    quiet_after_hours: Annotated[Number, Field(ge=1)] = 36  # no account is called quiet sooner


def _listening_at(text: str) -> str:
    host, port = host_and_port(text)
    if not host or not 0 <= port <= 65535:
        raise ValueError(f'{text[:80]!r} is no address to listen at; "127.0.0.1:8788" was expected')
    return text


def host_and_port(text: str) -> tuple[str, int]:
    """`127.0.0.1:8788` or `[::1]:8788` in its parts; the port is -1 where there is none."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port) if port.isascii() and port.isdecimal() else -1


class ReadingRoom(Table):
    """The archive in a browser, served beside the daemon."""

    listen: Annotated[str, AfterValidator(_listening_at)] = "127.0.0.1:8788"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return host_and_port(self.listen)


class Config(Table):
    """A whole configuration, checked."""

    accounts: Annotated[tuple[AccountConfig, ...], Field(max_length=MAX_ACCOUNTS)] = ()
    schedule: Schedule = Schedule()
    inbox: Inbox | None = None
    alarms: Alarms | None = None
    limits: Limits = Limits()
    reading_room: ReadingRoom | None = None

    @model_validator(mode="after")
    def _some_accounts(self) -> "Config":
        if not self.accounts:
            raise ValueError("there is no account; a table [[accounts]] with biz and name was expected")
        return self

    @model_validator(mode="after")
    def _one_table_an_account(self) -> "Config":
        seen: dict[str, int] = {}
        for number, account in enumerate(self.accounts):
            first = seen.setdefault(account.biz, number)
            if first != number:
                raise mistake_at(
                    Message.load(
                        f"{self.accounts[first].name} has the same; give an account one [[accounts]]"
                    ),
                    "accounts",
                    number,
                    "biz",
                )
        return self


def find_config(
    environment: Mapping[str, str] = os.environ, home: Path | None = None, here: Path | None = None
) -> Path:
    """The file MPARCHIVE_CONFIG names, else ./mparchive.toml, else <home>/mparchive.toml.

    Raises ConfigError when there is none.
    """
    if named := environment.get(VARIABLE):
        path = Path(named).expanduser()
        if not path.is_file():
            raise ConfigError(f"{VARIABLE} names {named}, but there is no such file")
        return path
    places = [(here or Path.cwd()) / FILE_NAME, (home or ArchiveSettings().home) / FILE_NAME]
    for path in places:
        if path.is_file():
            return path
    looked = " or ".join(map(str, places))
    raise ConfigError(f"there is no {looked}; `mparchive init ADDRESS-OF-ANY-POST` writes one")


def load_config(path: Path) -> Config:
    """Read and check a configuration. Raises ConfigError: file, line, key, and what was expected."""
    text, values = parsed(path)
    try:
        return Config.model_validate(values, context={FOLDER: path.absolute().parent})
    except ValidationError as error:
        raise ConfigError(sentence(path, text, error)) from None
