"""Who may read: everybody on this machine, or whoever brings the token or comes through the proxy."""

import binascii
import hmac
import ipaddress
import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.datastructures import Headers

from archive.domain.errors import TokenUnusable
from archive.system.files import FileUnusable, read_secret_file

Network = IPv4Network | IPv6Network

_SCHEMES = ("http", "https")


@dataclass(frozen=True)
class Access:
    """The reading room's door. Without a token and a header it stands open.

    `user_header` is believed of `proxies` alone: it names whom the proxy has let in. `hosts` are the names a
    request may be sent to, without a port; none means any.
    """

    token: str = ""
    user_header: str = ""
    proxies: Sequence[Network] = ()
    hosts: frozenset[str] = frozenset()

    @property
    def is_open(self) -> bool:
        """Whether anybody may read."""
        return not self.token and not self.user_header

    def admits(self, peer: str, headers: Headers) -> bool:
        """Whether a request with these headers, from this address, may be answered."""
        if self.is_open or self._is_let_in(peer, headers):
            return True
        given = _token_in(headers.get("authorization", ""))
        return bool(self.token) and hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())

    def serves(self, headers: Headers) -> bool:
        """Whether a request was sent to this archive by one of its names.

        A page elsewhere can have its own name lead to this machine and then read what its visitor may read
        (DNS rebinding); the browser tells the page's name. Programs of HTTP/1.0 may tell none.
        """
        named = headers.get("host")
        return not self.hosts or named is None or _host_in(named) in self.hosts

    def client(self, peer: str, headers: Headers) -> str:
        """Whose request it is, for counting: the address that a trusted proxy names, else the peer's."""
        named = _last(headers, "x-forwarded-for")
        return str(_address(named)) if self._is_proxy(peer) and _address(named) else peer

    def scheme(self, peer: str, headers: Headers, otherwise: str) -> str:
        """How the client reached us: what a trusted proxy says, else the scheme of our own connection."""
        named = _last(headers, "x-forwarded-proto").lower()
        return named if self._is_proxy(peer) and named in _SCHEMES else otherwise

    def _is_let_in(self, peer: str, headers: Headers) -> bool:
        if not self.user_header or not self._is_proxy(peer):
            return False
        named = headers.getlist(self.user_header)  # two: one of them may be the client's own
        return len(named) == 1 and bool(named[0])

    def _is_proxy(self, peer: str) -> bool:
        address = _address(peer)
        return address is not None and any(address in network for network in self.proxies)


OPEN = Access()


def _last(headers: Headers, name: str) -> str:
    """What the proxy next to us has added to a header; what stands before it the client may have written."""
    return ",".join(headers.getlist(name)).rpartition(",")[2].strip()


def _host_in(text: str) -> str:
    """The name in a Host header, without the port, in lower case."""
    name = text.strip().lower()
    return name.partition("]")[0] + "]" if name.startswith("[") else name.partition(":")[0].removesuffix(".")


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _token_in(authorization: str) -> str:
    """The token of `Bearer TOKEN`, or the password of `Basic`, which browsers ask their people for."""
    scheme, _, value = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip()
        case "basic":
            return _password(value.strip())
    return ""


def _password(value: str) -> str:
    try:
        return b64decode(value, validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


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
