"""Read the settings that every process of the archive shares: where it is, and how it rations requests."""

from pathlib import Path
from typing import Any, Self

from platformdirs import user_data_path
from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from archive.domain.errors import ArchiveError, DatabaseUnavailable, file_message
from archive.domain.messages import Message
from archive.domain.update_decisions import BARE_A_DAY
from archive.system.files import FileUnusable, read_secret_file

MAX_PASSWORD = 4096  # bytes

MAX_BARE_A_DAY = 1000  # one in a minute and a half; more is no budget


class ArchiveSettings(BaseSettings):
    """MPARCHIVE_DATABASE_URL, MPARCHIVE_HOME and MPARCHIVE_MEDIA; an empty variable counts as unset.

    Without an address an embedded Postgres runs in `<home>/postgres`. `media` is a folder, or an address
    that fsspec knows (s3://bucket/prefix); without it the files lie in `<home>/media`.
    MPARCHIVE_DATABASE_PASSWORD_FILE names a file with the password that the address leaves out, as containers
    are given secrets; DatabaseUnavailable when it cannot be read.
    """

    model_config = SettingsConfigDict(env_prefix="MPARCHIVE_", env_ignore_empty=True, frozen=True)

    database_url: str | None = Field(default=None, repr=False)  # it may hold a password
    database_password_file: Path | None = None
    home: Path = Field(default_factory=lambda: user_data_path("mparchive"))
    media: str | None = Field(default=None, repr=False)  # it may hold a password

    @model_validator(mode="before")
    @classmethod
    def _with_password(cls, values: Any) -> Any:
        address, path = values.get("database_url"), values.get("database_password_file")
        if not address or not path:
            return values
        try:
            whole = make_url(address).set(password=_password(Path(path)))
        except (ArgumentError, ValueError):
            return values  # whoever opens the archive says what is wrong with the address
        return {**values, "database_url": whole.render_as_string(hide_password=False)}


class RequestSettings(BaseSettings):
    """MPARCHIVE_BARE_A_DAY: how many requests for addresses without chksm may bring no post in a day."""

    model_config = SettingsConfigDict(env_prefix="MPARCHIVE_", env_ignore_empty=True, frozen=True)

    bare_a_day: int = Field(default=BARE_A_DAY, ge=0, le=MAX_BARE_A_DAY)

    @classmethod
    def read(cls) -> Self:
        """Read the environment. Raises ArchiveError."""
        try:
            return cls()
        except ValidationError as error:
            value = repr(error.errors()[0]["input"])
            raise ArchiveError("archive.settings.bare_a_day", value=value, max=MAX_BARE_A_DAY) from None


def _password(path: Path) -> str:
    try:
        password = read_secret_file(path, MAX_PASSWORD, "that is no password").decode("utf-8").strip()
    except FileUnusable as error:
        raise _unusable_password(file_message(error)) from None
    except UnicodeDecodeError:
        raise _unusable_password(Message("archive.file.not_text", {"path": str(path)})) from None
    if not password:
        raise _unusable_password(Message("archive.file.empty", {"path": str(path)}))
    return password


def _unusable_password(reason: Message) -> DatabaseUnavailable:
    return DatabaseUnavailable("archive.database.password_file", reason=reason)
