"""Access control: who may read and who may file links, and the settings that say so."""

import binascii
import hmac
import ipaddress
import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.datastructures import Headers

from archive.domain.errors import TokenUnusable, file_message
from archive.domain.messages import Message
from archive.system.files import FileUnusable, read_secret_file

Network = IPv4Network | IPv6Network

_SCHEMES = ("http", "https")

_HOST_HEADER = re.compile(
    r"(\[[0-9a-f:.]+\]|[^\s:@/\\?#\[\]]+)(?::[0-9]{1,5})?"
)  # of a Host header, with its port


@dataclass(frozen=True)
class Access:
    """Who may read: everybody, or whoever sends the token or was authenticated by a trusted proxy.

    `user_header` is the request header by which `proxies`, and nobody else, name whom they authenticated.
    `hosts` are the host names, without a port, that a request may be sent to; if empty, any.
    """

    token: str = ""
    user_header: str = ""
    proxies: Sequence[Network] = ()
    hosts: frozenset[str] = frozenset()

    @property
    def is_open(self) -> bool:
        """Tell whether anybody may read."""
        return not self.token and not self.user_header

    def admits(self, peer: str, headers: Headers) -> bool:
        """Tell whether a request with these headers, from this address, may be answered."""
        if self.is_open or self._is_authenticated(peer, headers):
            return True
        sent = _token_in(headers.get("authorization", ""))
        return bool(self.token) and hmac.compare_digest(sent.encode("utf-8", "replace"), self.token.encode())

    def serves(self, headers: Headers) -> bool:
        """Tell whether a request names one of the hosts of this archive.

        Another site can resolve its own name to this machine and then read what its visitor may read (DNS
        rebinding); the browser then sends that site's name. Clients of HTTP/1.0 may send no name.
        """
        host = headers.get("host")
        return not self.hosts or host is None or _host_name(host) in self.hosts

    def client(self, peer: str, headers: Headers) -> str:
        """Return the address to count a request by: the one that a trusted proxy names, else the peer's."""
        named = _last_value(headers, "x-forwarded-for")
        return str(_parse_ip(named)) if self._is_proxy(peer) and _parse_ip(named) else peer

    def scheme(self, peer: str, headers: Headers, otherwise: str) -> str:
        """Return the scheme that the client used: what a trusted proxy says, else that of our connection."""
        named = _last_value(headers, "x-forwarded-proto").lower()
        return named if self._is_proxy(peer) and named in _SCHEMES else otherwise

    def _is_authenticated(self, peer: str, headers: Headers) -> bool:
        if not self.user_header or not self._is_proxy(peer):
            return False
        users = headers.getlist(self.user_header)  # if there are two, the client may have sent one of them
        return len(users) == 1 and bool(users[0])

    def _is_proxy(self, peer: str) -> bool:
        address = _parse_ip(peer)
        return address is not None and any(address in network for network in self.proxies)


OPEN = Access()


def is_own_form(headers: Headers) -> bool:
    """Tell whether a form was sent by a page of ours, or by no browser: another site's is refused.

    Browsers say where a form comes from, in Sec-Fetch-Site or, older ones, in Origin.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def _last_value(headers: Headers, name: str) -> str:
    """Return the last value of a header, which the nearest proxy added; the client may have sent the rest."""
    return ",".join(headers.getlist(name)).rpartition(",")[2].strip()


def _host_name(host: str) -> str:
    """Return the host name of a Host header in lower case, without the port; empty for anything else."""
    found = _HOST_HEADER.fullmatch(host.strip().lower())
    return found[1].removesuffix(".") if found else ""


def _parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _token_in(authorization: str) -> str:
    """Return the token of `Bearer TOKEN`, or the password of `Basic`, for which browsers show a form."""
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


LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})

MIN_TOKEN, MAX_TOKEN = 16, 256  # characters; at 60 tries a minute nobody guesses 16

_TOKEN = re.compile(rf"[!-~]{{{MIN_TOKEN},{MAX_TOKEN}}}")  # what any header, form and keyboard can carry

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,99}")

_MAX_FILE = 4096  # bytes

_INBOX, _READING = "MPARCHIVE_INBOX_TOKEN", "MPARCHIVE_READING_TOKEN"

_HOST = re.compile(r"[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\]")

_HOSTS = "MPARCHIVE_SERVED_HOSTS"

_USER_HEADER, _PROXIES = "MPARCHIVE_PROXY_USER_HEADER", "MPARCHIVE_TRUSTED_PROXIES"


class InboxSettings(BaseSettings):
    """The inbox's token: MPARCHIVE_INBOX_TOKEN or MPARCHIVE_INBOX_TOKEN_FILE; empty counts as unset."""

    model_config = SettingsConfigDict(env_prefix="MPARCHIVE_", env_ignore_empty=True, frozen=True)

    inbox_token: SecretStr | None = Field(default=None)
    inbox_token_file: Path | None = None

    def token(self) -> str:
        """Return the token, "" for none. Raises TokenUnusable, whose message holds no part of the token."""
        return _token(self.inbox_token, self.inbox_token_file, _INBOX)


class ReadingSettings(BaseSettings):
    """Who may read: MPARCHIVE_READING_TOKEN or MPARCHIVE_READING_TOKEN_FILE, and whom a proxy authenticates.

    MPARCHIVE_PROXY_USER_HEADER names the header by which the proxies of MPARCHIVE_TRUSTED_PROXIES (addresses
    or networks, with commas between) name whom they have authenticated. MPARCHIVE_SERVED_HOSTS (names with
    commas between) are further host names by which an archive that is open to everybody is reached.
    """

    model_config = SettingsConfigDict(env_prefix="MPARCHIVE_", env_ignore_empty=True, frozen=True)

    reading_token: SecretStr | None = Field(default=None)
    reading_token_file: Path | None = None
    proxy_user_header: str = ""
    trusted_proxies: str = ""
    served_hosts: str = ""

    def access(self) -> Access:
        """Return who may read. Raises TokenUnusable for a token, header or network that is none."""
        token = _token(self.reading_token, self.reading_token_file, _READING)
        if self.proxy_user_header and not _HEADER.fullmatch(self.proxy_user_header):
            raise TokenUnusable("web.auth.header_name", variable=_USER_HEADER)
        if self.proxy_user_header and not self.trusted_proxies:
            raise TokenUnusable("web.auth.header_without_proxies", variable=_USER_HEADER, proxies=_PROXIES)
        return Access(token, self.proxy_user_header, _networks(self.trusted_proxies))

    def hosts(self, own: str) -> frozenset[str]:
        """Return the host names of an open archive that only this machine can reach.

        `own` is the host at which it listens. Raises TokenUnusable if a configured name is none.
        """
        names = {one.strip().lower() for one in self.served_hosts.split(",") if one.strip()}
        if not all(_HOST.fullmatch(name) for name in names):
            raise TokenUnusable("web.auth.host_names", variable=_HOSTS)
        own = own.lower()
        return LOOPBACK_HOSTS | names | {f"[{own}]" if ":" in own else own}


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(one.strip()) for one in text.split(",") if one.strip())
    except ValueError:
        raise TokenUnusable("web.auth.networks", variable=_PROXIES) from None


def _token(value: SecretStr | None, path: Path | None, variable: str) -> str:
    if value and path:
        raise TokenUnusable("web.auth.two_tokens", variable=variable)
    if path:
        setting = Message("web.auth.token_of_file", {"variable": f"{variable}_FILE"})
        return _checked(_read(path, f"{variable}_FILE"), setting)
    return _checked(value.get_secret_value(), variable) if value else ""


def _read(path: Path, variable: str) -> str:
    try:
        return read_secret_file(path, _MAX_FILE, "that is no token").decode("ascii", "replace")
    except FileUnusable as error:
        raise TokenUnusable("web.auth.token_file", variable=variable, reason=_file_reason(error)) from None


def _file_reason(error: FileUnusable) -> Message:
    if error.limit is None:
        return file_message(error)
    params = {"path": str(error.path), "limit": error.limit, "longest": MAX_TOKEN}
    return Message("web.auth.token_file_too_large", params)


def _checked(text: str, setting: Message | str) -> str:
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise TokenUnusable("web.auth.token_form", setting=setting, shortest=MIN_TOKEN, longest=MAX_TOKEN)
    return token
