"""Judging an answer before a source reads it, and reading values whatever their type. Pure."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from archive.domain import entities
from archive.domain.addresses import HOST, parse_address
from archive.domain.errors import AddressError
from archive.domain.outcomes import Outcome
from crawler.discovery.source import Reply, SourceError, State
from crawler.parse.notices import is_challenge
from crawler.parse.page import read_page

MAX_WORDS = (
    2000  # characters of a title that are looked at; a reference to a character of over 4300 digits raises
)

MAX_NOTICE_BYTES = 4 * 1024 * 1024  # what may be a challenge or a login page; the largest known has 2 MB

_LAST_SECOND = 4_102_444_800  # 2100-01-01; what lies beyond is no time of a post

_HTML = re.compile(rb"<!doctype\s+html|<html", re.IGNORECASE)

_LOGIN = re.compile("登录超时|请重新登录|请先登录|扫码登录|使用帐号登录|/cgi-bin/(?:loginpage|bizlogin)")

_TAGS = re.compile(r"</?em[^<>]*>", re.IGNORECASE)  # none in another, for that is searched in no time

_BLOCKED = {Outcome.VERIFICATION: State.VERIFICATION, Outcome.RATE_LIMITED: State.RATE_LIMITED}

_STATUSES = {
    401: (State.REFUSED, "it wants a login or a key (401)"),
    403: (State.REFUSED, "it refuses (403)"),
    404: (State.REFUSED, "there is nothing at this address (404)"),
    410: (State.REFUSED, "it says this is gone for good (410)"),
    429: (State.RATE_LIMITED, "it was asked too often (429)"),
}


def checked(reply: Reply) -> Reply:
    """The reply when it is one to read; raises Trouble when none came or it is a refusal."""
    if reply.error:
        raise SourceError(State.UNREACHABLE, reply.error)
    if is_challenge(reply.url, "") or is_challenge(reply.header("location"), ""):
        raise SourceError(State.VERIFICATION, "it asks for verification instead of answering")
    if 300 <= reply.status < 400:
        raise _redirected(reply)
    if reply.status in _STATUSES:
        raise SourceError(*_STATUSES[reply.status])
    if reply.status >= 500:
        raise SourceError(State.UNREACHABLE, f"its server is in trouble (status {reply.status})")
    if reply.status >= 400:
        raise SourceError(State.REFUSED, f"it refuses (status {reply.status})")
    return reply


def _redirected(reply: Reply) -> SourceError:
    location = reply.header("location")
    if _LOGIN.search(location):
        return SourceError(State.LOGIN_EXPIRED, "it sends to the login page")
    where = urlsplit(location)
    target = f"{where.scheme}://{where.netloc}{where.path}"[:200]
    return SourceError(State.NOT_UNDERSTOOD, f"it has moved to {target}; write that address")


def is_html(body: bytes) -> bool:
    """Whether this is a web page rather than data."""
    return bool(_HTML.search(body[:1024]))


def web_page(reply: Reply) -> SourceError:
    """Why a web page came where data was expected."""
    text = reply.body[:MAX_NOTICE_BYTES].decode("utf-8", "replace")
    if urlsplit(reply.url).netloc == HOST and len(reply.body) <= MAX_NOTICE_BYTES:
        reading = read_page(reply.body, reply.url)
        if reading.outcome in _BLOCKED:
            return SourceError(_BLOCKED[reading.outcome], reading.reason or "it asks for verification")
    if _LOGIN.search(text):
        return SourceError(State.LOGIN_EXPIRED, "a login page came instead of a list")
    return SourceError(State.NOT_UNDERSTOOD, "a web page came instead of a list")


def json_of(reply: Reply) -> dict[str, Any]:
    """The JSON object of an answer; raises Trouble when it is none."""
    checked(reply)
    if is_html(reply.body):
        raise web_page(reply)
    value = loaded(reply.body)
    if not isinstance(value, dict):
        raise SourceError(
            State.NOT_UNDERSTOOD, f"no JSON object came but {len(reply.body)} bytes of something else"
        )
    return value


def loaded(text: Any) -> Any:
    """JSON within JSON: a value that may still be written as a string; None where it is none."""
    if not isinstance(text, str | bytes):
        return text
    try:
        return json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except (ValueError, RecursionError):
        return None


def table(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; one that comes without its list, as lists of one do here, is a list of one."""
    if isinstance(value, dict):
        return [value]
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def number(value: Any) -> int | None:
    """An integer, also written as a string or with a fraction of zero; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else None


def words(value: Any) -> str:
    """A text as people read it: entities decoded, a search's marks taken out, on one line."""
    if not isinstance(value, str):
        return ""
    return " ".join(entities.unescape(_TAGS.sub("", value[:MAX_WORDS])).split())


def instant(value: Any) -> datetime | None:
    """Seconds since 1970 as an aware UTC instant; None for what is no time."""
    seconds = number(value)
    if seconds is None or not 0 < seconds < _LAST_SECOND:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def picked(item: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The plain values of these names: what is kept of a listing."""
    return {name: item[name] for name in names if isinstance(item.get(name), str | int | float | bool)}


def key_of(url: str) -> str:
    """What a post is known by, whatever else its address carries; else the address itself."""
    try:
        return parse_address(url).key
    except AddressError:
        return url
