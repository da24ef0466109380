"""Read where the archive is: the address of a server, or a folder for the embedded one."""

import re
from pathlib import Path
from typing import Any

from platformdirs import user_data_path
from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from archive.domain.errors import ArchiveError, DatabaseUnavailable, file_message
from archive.domain.messages import Message
from archive.system.files import FileUnusable, read_secret_file

MAX_PASSWORD = 4096  # bytes

MAX_QUOTED = 200  # characters of a setting that a message quotes

# Scheme, host and port, and a path where a proxy serves the archive below one; no query, no user.
_ORIGIN = re.compile(r"https?://[0-9A-Za-z.\-\[\]:]+(?:/[0-9A-Za-z._~%/\-]*)?")


class PublicUrlError(ArchiveError):
    """A setting has a value that cannot be used."""


class ArchiveSettings(BaseSettings):
    """MPARCHIVE_DATABASE_URL, _HOME, _MEDIA and _PUBLIC_URL; an empty variable counts as unset.

    Without an address an embedded Postgres runs in `<home>/postgres`. `media` is a folder, or an address
    that fsspec knows (s3://bucket/prefix); without it the files lie in `<home>/media`.
    MPARCHIVE_DATABASE_PASSWORD_FILE names a file with the password that the address leaves out, as containers
    are given secrets; DatabaseUnavailable when it cannot be read. `public_url` is where readers reach the web
    interface: citations contain it.
    """

    model_config = SettingsConfigDict(env_prefix="MPARCHIVE_", env_ignore_empty=True, frozen=True)

    database_url: str | None = Field(default=None, repr=False)  # it may hold a password
    database_password_file: Path | None = None
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
