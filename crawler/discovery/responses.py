"""Checks of a reply before a source reads it, and reads of JSON values of any type. No I/O."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from archive.domain.addresses import HOST, parse_address
from archive.domain.errors import AddressError
from archive.domain.outcomes import Outcome
from archive.domain.text import unescape
from crawler.discovery.source import Reply, SourceError, State
from crawler.parse.notices import is_challenge
from crawler.parse.page import read_page

MAX_TEXT = 2000  # characters of a title; a reference to a character of over 4300 digits raises

MAX_NOTICE_BYTES = 4 * 1024 * 1024  # of a challenge or login page; the largest known has 2 MB

_LAST_SECOND = 4_102_444_800  # 2100-01-01; a later time is not that of a post

_HTML = re.compile(rb"<!doctype\s+html|<html", re.IGNORECASE)

_LOGIN = re.compile("登录超时|请重新登录|请先登录|扫码登录|使用帐号登录|/cgi-bin/(?:loginpage|bizlogin)")

_TAGS = re.compile(r"</?em[^<>]*>", re.IGNORECASE)  # no "<" within, so that the search takes linear time

_BLOCKED = {Outcome.VERIFICATION: State.VERIFICATION, Outcome.RATE_LIMITED: State.RATE_LIMITED}

_STATUSES = {
    401: (State.REFUSED, "crawler.source.unauthorized"),
    403: (State.REFUSED, "crawler.source.forbidden"),
    404: (State.REFUSED, "crawler.source.not_found"),
    410: (State.REFUSED, "crawler.source.gone"),
}


def check_reply(reply: Reply) -> Reply:
    """Return the reply. Raises SourceError when there is none, or when it is a refusal."""
    if reply.error:
        raise SourceError(State.UNREACHABLE, reply.error.code, **reply.error.params)
    if is_challenge(reply.url, "") or is_challenge(reply.header("location"), ""):
        raise SourceError(State.VERIFICATION, "crawler.source.verification")
    if 300 <= reply.status < 400:
        raise _redirected(reply)
    if reply.status in _STATUSES:
        raise SourceError(*_STATUSES[reply.status])
    if reply.status == 429:
        raise SourceError(State.RATE_LIMITED, "crawler.source.too_often", number=429)
    if reply.status >= 500:
        raise SourceError(State.UNREACHABLE, "crawler.source.server_error", status=reply.status)
    if reply.status >= 400:
        raise SourceError(State.REFUSED, "crawler.source.refused", status=reply.status)
    return reply


def _redirected(reply: Reply) -> SourceError:
    location = reply.header("location")
    if _LOGIN.search(location):
        return SourceError(State.LOGIN_EXPIRED, "crawler.source.login_redirect")
    parts = urlsplit(location)
    target = f"{parts.scheme}://{parts.netloc}{parts.path}"[:200]
    return SourceError(State.NOT_UNDERSTOOD, "crawler.source.moved", address=target)


def is_web_page(body: bytes) -> bool:
    """Tell whether this is a web page rather than data."""
    return bool(_HTML.search(body[:1024]))


def web_page_error(reply: Reply) -> SourceError:
    """Return why a web page came instead of data."""
    text = reply.body[:MAX_NOTICE_BYTES].decode("utf-8", "replace")
    if urlsplit(reply.url).netloc == HOST and len(reply.body) <= MAX_NOTICE_BYTES:
        outcome = read_page(reply.body, reply.url).outcome
        if outcome in _BLOCKED:
            return SourceError(_BLOCKED[outcome], f"crawler.source.page.{outcome}")
    if _LOGIN.search(text):
        return SourceError(State.LOGIN_EXPIRED, "crawler.source.login_page")
    return SourceError(State.NOT_UNDERSTOOD, "crawler.source.web_page")


def json_reply(reply: Reply) -> dict[str, Any]:
    """Return the JSON object of a reply. Raises SourceError when it is none."""
    check_reply(reply)
    if is_web_page(reply.body):
        raise web_page_error(reply)
    value = nested_json(reply.body)
    if not isinstance(value, dict):
        raise SourceError(State.NOT_UNDERSTOOD, "crawler.source.not_json", size=len(reply.body))
    return value


def nested_json(text: Any) -> Any:
    """Decode a JSON value that may be written as a string within JSON; None where it is not JSON."""
    if not isinstance(text, str | bytes):
        return text
    try:
        return json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except (ValueError, RecursionError):
        return None


def as_object(value: Any) -> dict[str, Any]:
    """Return the value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list; WeChat writes a list of one as that one."""
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_number(value: Any) -> int | None:
    """Return an integer, also one written as a string or with a fraction of zero; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else None


def as_text(value: Any) -> str:
    """Return a text on one line, with entities decoded and a search's highlighting removed."""
    if not isinstance(value, str):
        return ""
    return " ".join(unescape(_TAGS.sub("", value[:MAX_TEXT])).split())


def as_instant(value: Any) -> datetime | None:
    """Return seconds since 1970 as an aware UTC instant; None for anything else."""
    seconds = as_number(value)
    if seconds is None or not 0 < seconds < _LAST_SECOND:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def stored_fields(item: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the plain values of these names: what is stored of a listing."""
    return {name: item[name] for name in names if isinstance(item.get(name), str | int | float | bool)}


def post_key(url: str) -> str:
    """Return the key of a post's address, else the address itself."""
    try:
        return parse_address(url).key
    except AddressError:
        return url
