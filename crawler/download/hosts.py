"""Which hosts a crawl may send requests to, and where: WeChat's own, or a stand-in on this machine.

Addresses are WeChat's own everywhere; only the download handler translates them to the stand-in's.
"""

import re
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit, urlunsplit

from archive.domain.addresses import HOST
from archive.domain.errors import MessageError

_LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")

_OTHER_HOST = "/_host/"  # the stand-in's path for every host but mp.weixin.qq.com

# WeChat's own hosts for what posts show: mmbiz.qpic.cn, wx.qlogo.cn, res.wx.qq.com, mpvideo.qpic.cn …
MEDIA_DOMAINS = ("qpic.cn", "qlogo.cn", "wx.qq.com", "wxs.qq.com", "gtimg.cn", "gtimg.com")

_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


class OriginError(MessageError):
    """The configured loopback origin is not one."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The server that requests go to. `loopback` is empty for the real hosts."""

    loopback: str = ""

    def __post_init__(self) -> None:
        if not self.loopback:
            return
        parts = urlsplit(self.loopback)
        if parts.scheme not in ("http", "https") or parts.hostname not in _LOOPBACK_HOSTS:
            raise OriginError("crawler.settings.loopback", value=repr(self.loopback))

    def wire(self, url: str, *, over_http: bool = False) -> str:
        """Return the address to connect to for an address; `over_http`: without TLS."""
        if not self.loopback:
            return urlunsplit(urlsplit(url)._replace(scheme="http")) if over_http else url
        target, parts = urlsplit(self.loopback), urlsplit(url)
        path = parts.path if parts.netloc == HOST else f"{_OTHER_HOST}{parts.netloc}{parts.path}"
        return urlunsplit((target.scheme, target.netloc, path, parts.query, ""))

    def location(self, base: str, location: str) -> str:
        """Return a redirect's target as an absolute address; `base` is the address that was requested."""
        url = urljoin(base, location)
        parts = urlsplit(url)
        if self.loopback and parts.netloc == urlsplit(self.loopback).netloc:
            host, path = HOST, parts.path
            if path.startswith(_OTHER_HOST):
                host, slash, rest = path.removeprefix(_OTHER_HOST).partition("/")
                path = slash + rest
            return urlunsplit(("https", host, path, parts.query, ""))
        return over_tls(url)


def over_tls(url: str) -> str:
    """Return an http address of WeChat's as the https one, which all its hosts have; any other as it is."""
    parts = urlsplit(url)
    known = parts.netloc == HOST or _is_media_host(parts.netloc)
    return urlunsplit(parts._replace(scheme="https")) if known and parts.scheme == "http" else url


def may_hold_media(url: str) -> bool:
    """Tell whether media may be requested at an address: https on a host of WeChat's, no port, no user."""
    parts = urlsplit(url)
    return parts.scheme == "https" and (parts.netloc == HOST or _is_media_host(parts.netloc))


def _is_media_host(host: str) -> bool:
    """Tell whether this is a name below one of the domains; with a port or a user it is not."""
    name = host.lower()
    return bool(_HOST_NAME.fullmatch(name)) and any(name.endswith(f".{domain}") for domain in MEDIA_DOMAINS)


def is_allowed(url: str) -> bool:
    """Tell whether a post may be requested at an address: https on mp.weixin.qq.com, no port, no user."""
    parts = urlsplit(url)
    return parts.scheme == "https" and parts.netloc == HOST
