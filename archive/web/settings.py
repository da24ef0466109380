"""The inbox's token: from a file, as containers are given secrets, or from the environment."""

import re
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from archive.errors import TokenUnusable

SHORTEST, LONGEST = 16, 256  # characters; at 60 tries a minute nobody guesses 16
_TOKEN = re.compile(rf"[!-~]{{{SHORTEST},{LONGEST}}}")  # what any header, form and keyboard can carry
_MAX_FILE = 4096  # bytes
_VARIABLE, _FILE_VARIABLE = "MPARCHIVE_INBOX_TOKEN", "MPARCHIVE_INBOX_TOKEN_FILE"


class InboxSettings(BaseSettings):
    """Read from MPARCHIVE_INBOX_TOKEN or MPARCHIVE_INBOX_TOKEN_FILE; an empty variable counts as unset."""

    model_config = SettingsConfigDict(env_prefix="MPARCHIVE_", env_ignore_empty=True, frozen=True)

    inbox_token: SecretStr | None = Field(default=None)
    inbox_token_file: Path | None = None

    def token(self) -> str:
        """The token; empty where there is none. Raises TokenUnusable, without any of it."""
        if self.inbox_token and self.inbox_token_file:
            raise TokenUnusable(f"{_VARIABLE} and {_FILE_VARIABLE} exclude each other; set one of them")
        if self.inbox_token_file:
            return _usable(_read(self.inbox_token_file), f"the file that {_FILE_VARIABLE} names")
        return _usable(self.inbox_token.get_secret_value(), _VARIABLE) if self.inbox_token else ""


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE + 1).decode("ascii", "replace")
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise TokenUnusable(f"{_FILE_VARIABLE} names {path}, which cannot be read: {why}") from None


def _usable(text: str, where: str) -> str:
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise TokenUnusable(
            f"{where} holds no token of {SHORTEST} to {LONGEST} Latin letters, digits and signs; "
            "`openssl rand -hex 24` makes one"
        )
    return token
