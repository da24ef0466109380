"""Tokens and who is trusted: from files, as containers are given secrets, or from the environment."""

import re
from ipaddress import ip_network
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from archive.errors import TokenUnusable
from archive.small_files import FileUnusable, read_secret_file
from archive.web.access import Access, Network

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
SHORTEST, LONGEST = 16, 256  # characters; at 60 tries a minute nobody guesses 16
_TOKEN = re.compile(rf"[!-~]{{{SHORTEST},{LONGEST}}}")  # what any header, form and keyboard can carry
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,99}")
_MAX_FILE = 4096  # bytes
_INBOX, _READING = "MPARCHIVE_INBOX_TOKEN", "MPARCHIVE_READING_TOKEN"
_HOST = re.compile(r"[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\]")
_HOSTS = "MPARCHIVE_SERVED_HOSTS"
_USER_HEADER, _PROXIES = "MPARCHIVE_PROXY_USER_HEADER", "MPARCHIVE_TRUSTED_PROXIES"


class InboxSettings(BaseSettings):
    """Read from MPARCHIVE_INBOX_TOKEN or MPARCHIVE_INBOX_TOKEN_FILE; an empty variable counts as unset."""

    model_config = SettingsConfigDict(env_prefix="MPARCHIVE_", env_ignore_empty=True, frozen=True)

    inbox_token: SecretStr | None = Field(default=None)
    inbox_token_file: Path | None = None

    def token(self) -> str:
        """The token; empty where there is none. Raises TokenUnusable, without any of it."""
        return _token(self.inbox_token, self.inbox_token_file, _INBOX)


class ReadingSettings(BaseSettings):
    """Who may read: MPARCHIVE_READING_TOKEN or MPARCHIVE_READING_TOKEN_FILE, and whom a proxy lets in.

    MPARCHIVE_PROXY_USER_HEADER names the header by which the proxies of MPARCHIVE_TRUSTED_PROXIES (addresses
    or networks, with commas between) say whom they have let in. MPARCHIVE_SERVED_HOSTS (with commas between)
    are further names by which an open reading room may be asked.
    """

    model_config = SettingsConfigDict(env_prefix="MPARCHIVE_", env_ignore_empty=True, frozen=True)

    reading_token: SecretStr | None = Field(default=None)
    reading_token_file: Path | None = None
    proxy_user_header: str = ""
    trusted_proxies: str = ""
    served_hosts: str = ""

    def access(self) -> Access:
        """The door. Raises TokenUnusable."""
        token = _token(self.reading_token, self.reading_token_file, _READING)
        if self.proxy_user_header and not _HEADER.fullmatch(self.proxy_user_header):
            raise TokenUnusable(f"{_USER_HEADER} is no name of a header, such as X-Forwarded-User")
        if self.proxy_user_header and not self.trusted_proxies:
            raise TokenUnusable(f"{_USER_HEADER} wants {_PROXIES} too: the addresses it is believed of")
        return Access(token, self.proxy_user_header, _networks(self.trusted_proxies))

    def hosts(self, own: str) -> frozenset[str]:
        """By which names an open reading room on this machine may be asked. Raises TokenUnusable."""
        named = {one.strip().lower() for one in self.served_hosts.split(",") if one.strip()}
        if not all(_HOST.fullmatch(one) for one in named):
            raise TokenUnusable(f"{_HOSTS} takes names of hosts with commas between, without ports")
        own = own.lower()
        return LOOPBACK | named | {f"[{own}]" if ":" in own else own}


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(one.strip()) for one in text.split(",") if one.strip())
    except ValueError:
        raise TokenUnusable(
            f"{_PROXIES} takes addresses or networks with commas between: 127.0.0.1, 10.0.0.0/8"
        ) from None


def _token(value: SecretStr | None, path: Path | None, variable: str) -> str:
    if value and path:
        raise TokenUnusable(f"{variable} and {variable}_FILE exclude each other; set one of them")
    if path:
        return _usable(_read(path, f"{variable}_FILE"), f"the file that {variable}_FILE names")
    return _usable(value.get_secret_value(), variable) if value else ""


def _read(path: Path, variable: str) -> str:
    try:
        return read_secret_file(path, _MAX_FILE, "a token has at most 256 characters").decode(
            "ascii", "replace"
        )
    except FileUnusable as error:
        raise TokenUnusable(f"{variable}: {error}") from None


def _usable(text: str, where: str) -> str:
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise TokenUnusable(
            f"{where} holds no token of {SHORTEST} to {LONGEST} Latin letters, digits and signs; "
            "`openssl rand -hex 24` makes one"
        )
    return token
