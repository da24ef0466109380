"""Removes secrets (cookies, session keys, tokens) from addresses, headers, bodies, messages and log lines.

A capture stores its body exactly as served; everything else that is stored or logged goes through here.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from archive.domain.addresses import SESSION_NAMES
from archive.domain.messages import Message

PLACEHOLDER = "SCRUBBED"

SHORTEST_SECRET = 6  # characters; anything shorter occurs in other text as well

_registered: set[str] = set()  # secrets of this process, known by their value

SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie", "set-cookie2", "x-csrf-token"}
)

SECRET_HEADER_PREFIXES = ("x-wx-", "x-wechat-")

# Of the server's challenge: needed in the request to recognise it, of no use in a record.
CHALLENGE_NAMES = frozenset({"cap_sid", "poc_sid", "poc_token"})

SECRET_NAMES = SESSION_NAMES | CHALLENGE_NAMES

# `key`, `token` and `uin` are common names in scripts; the others only ever name a secret.
_COMMON = frozenset({"key", "token", "uin"})

_RARE = "|".join(sorted(SECRET_NAMES - _COMMON))

_QUERY_START = r"(?:[?&]|&amp;|\\x26(?:amp;)?|%26|%3F)"

_VALUE = r"[\w.~%+/=-]"

_RULES = tuple(
    re.compile(pattern)
    for pattern in (
        # pass_ticket: 'x', "pass_ticket":"x", \"pass_ticket\":\"x\", var pass_ticket = "" || "x"
        rf"(\b(?:{_RARE})\b\\?[\"']?\s*[:=]\s*(?:(?:\"\"|'')\s*\|\|\s*)*\\?[\"'])[^\"'\\<>\s]+",
        # var key = "x", window.uin = 'x'
        r"((?:\bvar\s+|\bwindow\.|\bd\.)(?:key|token|uin)\s*=\s*(?:(?:\"\"|'')\s*\|\|\s*)*[\"'])[^\"'\\<>\s]+",
        rf"({_QUERY_START}(?:{_RARE})(?:=|%3D)){_VALUE}+",
        rf"({_QUERY_START}(?:key|token|uin)(?:=|%3D)){_VALUE}{{8,}}",
    )
)

# In JSON an album's `key` (<account>_<post>_<index>) is public; any other one is a session's.
_JSON_RULE = re.compile(r"(\"(?:key|token|uin)\"\s*:\s*\")(?!\d+_\d+_\d+\")[^\"\\]+")

_ANY_SECRET = "|".join(sorted(SECRET_NAMES))

_LOG_RULES = (
    re.compile(rf"((?:\b|%(?:25)*(?:26|3F))(?:{_ANY_SECRET})=)[^\s&'\"<>,)]+", re.IGNORECASE),
    # within an address that is itself a parameter, encoded once or more often
    re.compile(
        rf"((?:\b|%(?:25)*(?:26|3F))(?:{_ANY_SECRET})%(?:25)*3D)(?:(?!%(?:25)*26)[^\s&'\"<>,)])+",
        re.IGNORECASE,
    ),
)

_TEXT_TYPES = re.compile(r"^(?:text/|application/(?:json|javascript|x-javascript|xml|xhtml))")


def register_secret(secret: str) -> None:
    """Make `scrub_log` remove this very text from now on, wherever it stands, also percent-encoded."""
    if len(secret) >= SHORTEST_SECRET:
        _registered.update((secret, quote(secret, safe="")))


def is_secret_header(name: str) -> bool:
    """Tell whether a header of this name carries a session."""
    lower = name.lower()
    return lower in SECRET_HEADERS or lower.startswith(SECRET_HEADER_PREFIXES)


def public_headers(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the headers without those that carry a session, and without secrets in the others' values."""
    return tuple((name, scrub_log(value)) for name, value in headers if not is_secret_header(name))


def scrub_url(url: str) -> str:
    """Return the address with secret values replaced; other characters stay as they are."""
    parts = urlsplit(url)
    pieces = parts.query.split("&")
    for number, piece in enumerate(pieces):
        name, _, value = piece.partition("=")
        if name.lower() in SECRET_NAMES and value:
            pieces[number] = f"{name}={PLACEHOLDER}"
        elif "%" in value and any(secret in value for secret in SECRET_NAMES):
            pieces[number] = f"{name}={scrub_log(value)}"
    return urlunsplit(parts._replace(query="&".join(pieces)))


def scrub_body(body: bytes, content_type: str) -> bytes:
    """Return a text body with secret values replaced; any other body as it is."""
    if not _TEXT_TYPES.match(content_type.strip().lower()):
        return body
    text = body.decode("latin-1")  # every byte survives the round trip, whatever the real encoding
    for rule in _RULES:
        text = rule.sub(rf"\g<1>{PLACEHOLDER}", text)
    if "json" in content_type or text[:1] in "{[":
        text = _JSON_RULE.sub(rf"\g<1>{PLACEHOLDER}", text)
    return text.encode("latin-1")


def scrub_log(text: str) -> str:
    """Return a text without the values of secret parameters and without any registered secret."""
    for secret in sorted(_registered, key=len, reverse=True):
        text = text.replace(secret, PLACEHOLDER)
    for rule in _LOG_RULES:
        text = rule.sub(rf"\g<1>{PLACEHOLDER}", text)
    return text


def scrub_message(message: Message) -> Message:
    """Return a message without secrets in its parameters, which may quote a server."""
    params: dict[str, Any] = {}
    for name, value in message.params.items():
        params[name] = scrub_message(value) if isinstance(value, Message) else scrub_values(value)
    return Message(message.code, params)


def scrub_values(value: Any) -> Any:
    """Return a JSON value with the texts in it scrubbed as `scrub_log` does."""
    match value:
        case str():
            return scrub_log(value)
        case dict():
            return {scrub_log(name): scrub_values(one) for name, one in value.items()}
        case list() | tuple():
            return [scrub_values(one) for one in value]
    return value
