"""Where WeChat's hosts are asked: at themselves, or at a stand-in on this machine.

Addresses are WeChat's own everywhere; only the transports, Scrapy's and Chromium's, translate.
"""

import re
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit, urlunsplit

from archive.domain.addresses import HOST

ORIGIN = f"https://{HOST}"

_LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")

_OTHER_HOST = "/_host/"  # the stand-in's path for every host but mp.weixin.qq.com

# WeChat's own hosts for what posts show: mmbiz.qpic.cn, wx.qlogo.cn, res.wx.qq.com, mpvideo.qpic.cn …
MEDIA_DOMAINS = ("qpic.cn", "qlogo.cn", "wx.qq.com", "wxs.qq.com", "gtimg.cn", "gtimg.com")

_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


class OriginError(ValueError):
    """The configured loopback origin is not one."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The one server that is asked. `loopback` is empty for the real hosts."""

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

    def wire(self, url: str, *, over_http: bool = False) -> str:
        """The address to connect to for an address that may be asked; `over_http`: without TLS."""
        if not self.loopback:
            return urlunsplit(urlsplit(url)._replace(scheme="http")) if over_http else url
        target, parts = urlsplit(self.loopback), urlsplit(url)
        path = parts.path if parts.netloc == HOST else f"{_OTHER_HOST}{parts.netloc}{parts.path}"
        return urlunsplit((target.scheme, target.netloc, path, parts.query, ""))

    def location(self, base: str, location: str) -> str:
        """A redirect's target as an absolute address, seen from `base`, the address that was asked."""
        url = urljoin(base, location)
        parts = urlsplit(url)
        if self.loopback and parts.netloc == urlsplit(self.loopback).netloc:
            host, path = _unfolded(parts.path)
            return urlunsplit(("https", host, path, parts.query, ""))
        return over_tls(url)


def _unfolded(path: str) -> tuple[str, str]:
    """The host a path of the stand-in stands for, and the path there."""
    if not path.startswith(_OTHER_HOST):
        return HOST, path
    host, slash, rest = path.removeprefix(_OTHER_HOST).partition("/")
    return host, slash + rest


def over_tls(url: str) -> str:
    """An http address of WeChat's as the https one, which all its hosts have; any other as it is."""
    parts = urlsplit(url)
    known = parts.netloc == HOST or _is_media_host(parts.netloc)
    return urlunsplit(parts._replace(scheme="https")) if known and parts.scheme == "http" else url


def may_hold_media(url: str) -> bool:
    """Whether media may be asked for at an address: https on a host of WeChat's, no port, no user."""
    parts = urlsplit(url)
    return parts.scheme == "https" and (parts.netloc == HOST or _is_media_host(parts.netloc))


def _is_media_host(host: str) -> bool:
    """Whether this is a name below one of the domains; with a port or a user it is no name."""
    name = host.lower()
    return bool(_HOST_NAME.fullmatch(name)) and any(name.endswith(f".{domain}") for domain in MEDIA_DOMAINS)


def is_allowed(url: str) -> bool:
    """Whether a post's page may be asked for at an address: https on mp.weixin.qq.com, no port, no user."""
    parts = urlsplit(url)
    return parts.scheme == "https" and parts.netloc == HOST
