"""Where mp.weixin.qq.com is asked: at itself, or at a stand-in on this machine.

Addresses are mp.weixin.qq.com's everywhere; only the transports, Scrapy's and Chromium's, translate.
"""

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit, urlunsplit

from archive.address import HOST

ORIGIN = f"https://{HOST}"
_LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")


class OriginError(ValueError):
    """The configured loopback origin is not one."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The one server that is asked. `loopback` is empty for mp.weixin.qq.com itself."""

    loopback: str = ""

    def __post_init__(self) -> None:
        if not self.loopback:
            return
        parts = urlsplit(self.loopback)
        if parts.scheme not in ("http", "https") or parts.hostname not in _LOOPBACK_HOSTS:
            raise OriginError(
                f"MPARCHIVE_LOOPBACK is {self.loopback!r}; give an origin of this machine, "
                "like http://127.0.0.1:8000"
            )

    def wire(self, url: str) -> str:
        """The address to connect to for an address of mp.weixin.qq.com."""
        if not self.loopback:
            return url
        target, parts = urlsplit(self.loopback), urlsplit(url)
        return urlunsplit((target.scheme, target.netloc, parts.path, parts.query, ""))

    def location(self, base: str, location: str) -> str:
        """A redirect's target as an absolute address, seen from `base`, an address of mp.weixin.qq.com."""
        url = urljoin(base, location)
        parts = urlsplit(url)
        if self.loopback and parts.netloc == urlsplit(self.loopback).netloc:
            return urlunsplit(("https", HOST, parts.path, parts.query, ""))
        if parts.scheme == "http" and parts.netloc == HOST:
            return urlunsplit(parts._replace(scheme="https"))
        return url


def is_allowed(url: str) -> bool:
    """Whether an address may be asked for at all: https on mp.weixin.qq.com, no port, no user."""
    parts = urlsplit(url)
    return parts.scheme == "https" and parts.netloc == HOST
