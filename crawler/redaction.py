"""What must never be written down: cookies, session keys and tokens, in addresses, headers and bodies.

A capture keeps its body exactly as served; cassettes, headers, addresses and log lines are scrubbed.
"""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from archive.domain.addresses import SESSION_NAMES

PLACEHOLDER = "SCRUBBED"

SHORTEST_SECRET = 6  # characters; what is shorter cannot be told from other text

_known: set[str] = set()  # secrets known by their value, of this process

SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie", "set-cookie2", "x-csrf-token"}
)

SECRET_HEADER_PREFIX = "x-wx-"  # noqa: S105 - a name, not a secret

# Of the server's challenge: needed on the wire to see it, of no use in a record.
CHALLENGE_NAMES = frozenset({"cap_sid", "poc_sid", "poc_token"})

SECRET_NAMES = SESSION_NAMES | CHALLENGE_NAMES | {"exportkey_token"}

# `key`, `token` and `uin` are everyday words in scripts; the others only ever name a secret.
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
    re.compile(rf"((?:\b|%(?:25)*(?:26|3F))(?:{_ANY_SECRET})=)[^\s&'\"<>,)]+"),
    # within an address that is itself a parameter, once or more often encoded
    re.compile(rf"((?:\b|%(?:25)*(?:26|3F))(?:{_ANY_SECRET})%(?:25)*3D)(?:(?!%(?:25)*26)[^\s&'\"<>,)])+"),
)

_TEXT_TYPES = re.compile(r"^(?:text/|application/(?:json|javascript|x-javascript|xml|xhtml))")


def keep_out(secret: str) -> None:
    """From now on `scrub_log` takes out this very text wherever it stands."""
    if len(secret) >= SHORTEST_SECRET:
        _known.add(secret)


def is_secret_header(name: str) -> bool:
    """Whether a header of this name carries a session."""
    lower = name.lower()
    return lower in SECRET_HEADERS or lower.startswith(SECRET_HEADER_PREFIX)


def public_headers(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The headers without those that carry a session, and without secrets in addresses they name."""
    return tuple((name, scrub_log(value)) for name, value in headers if not is_secret_header(name))


def scrub_url(url: str) -> str:
    """The address with secret values replaced; other characters stay as they are."""
    parts = urlsplit(url)
    pieces = [_scrub_piece(piece) for piece in parts.query.split("&")]
    return urlunsplit(parts._replace(query="&".join(pieces)))


def _scrub_piece(piece: str) -> str:
    name, equals, value = piece.partition("=")
    if name in SECRET_NAMES and value:
        return f"{name}={PLACEHOLDER}"
    if "%" in value and any(secret in value for secret in SECRET_NAMES):
        return f"{name}{equals}{scrub_log(value)}"
    return piece


def scrub_body(body: bytes, content_type: str) -> bytes:
    """A text body with secret values replaced; any other body as it is."""
    if not _TEXT_TYPES.match(content_type.strip().lower()):
        return body
    text = body.decode("latin-1")  # every byte survives the round trip, whatever the real encoding
    for rule in _RULES:
        text = rule.sub(rf"\g<1>{PLACEHOLDER}", text)
    if "json" in content_type or text[:1] in "{[":
        text = _JSON_RULE.sub(rf"\g<1>{PLACEHOLDER}", text)
    return text.encode("latin-1")


def scrub_form(body: bytes) -> bytes:
    """A form's body with secret values replaced; the bytes unchanged when there are none."""
    pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True)
    if not any(name in SECRET_NAMES for name, _ in pairs):
        return body
    clean = [(name, PLACEHOLDER if name in SECRET_NAMES else value) for name, value in pairs]
    return urlencode(clean).encode("ascii")


def scrub_log(text: str) -> str:
    """A log line without the value of any secret parameter, and without any secret known by its value."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, PLACEHOLDER)
    for rule in _LOG_RULES:
        text = rule.sub(rf"\g<1>{PLACEHOLDER}", text)
    return text
