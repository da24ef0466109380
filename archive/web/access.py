"""Who may read: everybody on this machine, or whoever brings the token or comes through the proxy."""

import binascii
import hmac
import ipaddress
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from starlette.datastructures import Headers

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
