"""Read the settings that every process of the archive shares: where it is, and how it rations requests."""

import re
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
from archive.system.files import CODE_FILE, WEREAD_FOLDER, FileUnusable, read_secret_file

MAX_PASSWORD = 4096  # bytes

MAX_QUOTED = 200  # characters of a setting that a message quotes

MAX_BARE_A_DAY = 1000  # one in a minute and a half; more is no budget

_SECOND_AT_SIGN = re.compile(r"[^:]+://[^@]*@[^?]*(?:\?[^=]*)?@")

# Scheme, host and port, and a path where a proxy serves the archive below one; no query, no user.
_ORIGIN = re.compile(r"https?://[0-9A-Za-z.\-\[\]:]+(?:/[0-9A-Za-z._~%/\-]*)?")


class PublicUrlError(ArchiveError):
    """A setting has a value that cannot be used."""


def has_second_at_sign(address: str) -> bool:
    """Tell whether an @ follows the one before the host.

    It was a part of the password, whose rest would be taken for the host's name and shown in messages.
    """
    return _SECOND_AT_SIGN.match(address) is not None


class ArchiveSettings(BaseSettings):
    """MPARCHIVE_DATABASE_URL, MPARCHIVE_HOME and others; an empty variable counts as unset.

    Without an address an embedded Postgres runs in `<home>/postgres`. `media` is a folder, or an address
    that fsspec knows (s3://bucket/prefix); without it the files lie in `<home>/media`.
    `reader_database_url` is the address for the web, with a role that can change no post. The two password
    files hold what the addresses leave out, as containers are given secrets; DatabaseUnavailable when one
    cannot be read. `public_url` is where readers reach the web interface: citations contain it.
    """

    model_config = SettingsConfigDict(env_prefix="MPARCHIVE_", env_ignore_empty=True, frozen=True)

    database_url: str | None = Field(default=None, repr=False)  # it may hold a password
    database_password_file: Path | None = None
    reader_database_url: str | None = Field(default=None, repr=False)  # as well
    reader_database_password_file: Path | None = None
    home: Path = Field(default_factory=lambda: user_data_path("mparchive"))
    media: str | None = Field(default=None, repr=False)  # it may hold a password
    public_url: str | None = None

    def origin(self) -> str:
        """Return the address of the web interface without a slash at its end; empty where none is set.

        Raises PublicUrlError for what is no address of a server.
        """
        if not self.public_url:
            return ""
        address = self.public_url.strip().rstrip("/")
        if not _ORIGIN.fullmatch(address):
            raise PublicUrlError("archive.settings.public_url", given=self.public_url[:MAX_QUOTED])
        return address

    def local_folders(self) -> list[Path]:
        """Return the folders on this machine whose disks fill up: the archive's home, and local media."""
        media = [Path(self.media)] if self.media and "://" not in self.media else []
        return [folder for folder in (self.home, *media) if folder.is_dir()]

    def login_folder(self, name: str) -> Path:
        """Return the folder of a login to WeRead; it need not exist."""
        return self.home / WEREAD_FOLDER / name

    def login_code(self, name: str) -> Path:
        """Return the image of the code to scan, which is there while somebody signs in to that login."""
        return self.login_folder(name) / CODE_FILE

    @model_validator(mode="before")
    @classmethod
    def _with_passwords(cls, values: Any) -> Any:
        return {**values, **_completed(values, "database"), **_completed(values, "reader_database")}


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
            value = repr(str(error.errors()[0]["input"])[:MAX_QUOTED])
            raise ArchiveError("archive.settings.bare_a_day", value=value, max=MAX_BARE_A_DAY) from None


def _completed(values: dict[str, Any], name: str) -> dict[str, str]:
    """Return the address of this name with the password of its file, where both are set."""
    address, path = values.get(f"{name}_url"), values.get(f"{name}_password_file")
    if not address or not path or has_second_at_sign(address):
        return {}  # whoever opens the archive says what is wrong with the address
    variable = f"MPARCHIVE_{name.upper()}_PASSWORD_FILE"
    try:
        whole = make_url(address).set(password=_password(Path(path), variable))
    except (ArgumentError, ValueError):
        return {}
    return {f"{name}_url": whole.render_as_string(hide_password=False)}


def _password(path: Path, variable: str) -> str:
    try:
        password = read_secret_file(path, MAX_PASSWORD, "that is no password").decode("utf-8").strip()
    except FileUnusable as error:
        raise _unusable_password(file_message(error), variable) from None
    except UnicodeDecodeError:
        raise _unusable_password(Message("archive.file.not_text", {"path": str(path)}), variable) from None
    if not password:
        raise _unusable_password(Message("archive.file.empty", {"path": str(path)}), variable)
    return password


def _unusable_password(reason: Message, variable: str) -> DatabaseUnavailable:
    return DatabaseUnavailable("archive.database.password_file", variable=variable, reason=reason)
