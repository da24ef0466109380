"""Find the addresses of posts in any text, and in lists in JSON, JSON Lines, bookmarks, OPML or lines.

Time grows linearly with the text: only the characters around each name of the host are examined.
"""

import html
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from archive.domain.addresses import HOST, is_post

MAX_ADDRESSES_IN_TEXT = 1000  # found in one text

MAX_UNWRAPPED = 3  # addresses one within the other; a redirect to the verification page has two

_MAX_PARAMETERS = 50  # of an address that may hold another; real ones have ten

_MAX_BEFORE, _MAX_AFTER = (
    4096,
    8192,
)  # characters around the host: more than two addresses of the longest kind

# Characters of an address as WeChat writes it; brackets, quotes and all that is not ASCII end it.
_RUN = re.compile(r"[!#$%&*+./0-9:;=?@A-Z_a-z~-]+")

_HOST = re.compile(re.escape(HOST), re.IGNORECASE)

_ESCAPE = re.compile(r"\\(?:u00|x)([2-7][0-9a-fA-F])|\\/")  # of JSON and JavaScript

_FULL_WIDTH = re.compile("[\uff01-\uff5e]+")

_AMPERSAND = re.compile(r"&(?:amp;)+")

_NUMERIC = re.compile(r"&#(?:[0-9]{1,7}|[xX][0-9a-fA-F]{1,6});")

_ENDS = re.compile(r"&(?:quot|apos|lt|gt|nbsp);|;")  # none of them is part of an address

_SCHEME = re.compile(r"(?=https?://)", re.IGNORECASE)

_POST = re.compile(rf"(https?)://{re.escape(HOST)}(?::(?:80|443))?(/.*)", re.IGNORECASE)

_WITHOUT_SCHEME = re.compile(rf"[^A-Za-z0-9]*(?={re.escape(HOST)})", re.IGNORECASE)

# Percent-encoded spaces, quotes and Chinese punctuation that was copied along with an address.
_ENCODED_END = re.compile(r"%(?:EF%BC%|E3%80%[89]|E2%80%[89A]|20|22|0[9AD])", re.IGNORECASE)

_SHORT = re.compile(r"/s/([A-Za-z0-9_~-]+)(/?)(.*)")

_TOKEN_LENGTH = 22  # characters of the token of a short link, 16 bytes in base64

# An address of any host ends at a space, quote or bracket, and at Chinese text that follows without a space.
_ANY = re.compile(r"https?://[^\s\"'<>\\\],\u2013-\u2026\u2e80-\uffff]+", re.IGNORECASE)


def post_addresses(text: str) -> Iterator[str]:
    """Yield the addresses of posts in a text, in order, as often as they occur.

    Host and scheme are given in lower case and without a port, `/s/?` as `/s?`; in the token of a short link
    `~`, which some feeds write, is given as `_`. Addresses within addresses are unwrapped.
    """
    yield from _found(_decoded(text), MAX_UNWRAPPED)


def in_text(text: str) -> list[str]:
    """Return the first MAX_ADDRESSES_IN_TEXT addresses of posts in a text, each once, in order."""
    urls: dict[str, None] = {}
    for url in post_addresses(text):
        urls[url] = None
        if len(urls) >= MAX_ADDRESSES_IN_TEXT:
            break
    return list(urls)


def others_in_text(text: str) -> list[str]:
    """Return the http(s) addresses that `in_text` leaves out, each once, in order."""
    matches = _ANY.finditer(text.replace("\\/", "/"))
    urls = dict.fromkeys(islice((_trimmed(match[0]) for match in matches), MAX_ADDRESSES_IN_TEXT))
    return [url for url in urls if not in_text(url)]


def without_addresses(text: str) -> str:
    """Return a text without its addresses, on one line."""
    return " ".join(_ANY.sub(" ", text.replace("\\/", "/")).split())


def embedded(url: str) -> str:
    """Return the address of a post that another address has as a parameter; empty where it has none."""
    return next(_in_parameters(url, MAX_UNWRAPPED), "")


def _decoded(text: str) -> str:
    """Return a text without the escapes of JSON, and with addresses in full-width characters in ASCII."""
    plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else "/", text)
    return _FULL_WIDTH.sub(lambda found: _half_width(found[0]), plain)


def _half_width(run: str) -> str:
    return unicodedata.normalize("NFKC", run) if "：／／" in run or "ｍｐ．" in run.lower() else run


def _found(text: str, depth: int) -> Iterator[str]:
    end = 0
    for host in _HOST.finditer(text):
        if host.start() < end:
            continue
        before = _RUN.match(text[max(end, host.start() - _MAX_BEFORE) : host.start()][::-1])
        start = host.start() - (before.end() if before else 0)
        run = _RUN.match(text, start, host.end() + _MAX_AFTER)
        end = run.end() if run else host.end()
        yield from _in_run(text[start:end], depth)


def _in_run(run: str, depth: int) -> Iterator[str]:
    """Yield the addresses in characters that follow one another without a space."""
    plain = _NUMERIC.sub(lambda found: html.unescape(found[0]), _AMPERSAND.sub("&", run))
    for part in _RUN.findall(_ENDS.sub(" ", plain)):
        for piece in _SCHEME.split(part):
            if not _HOST.search(piece):
                continue
            bare = depth == MAX_UNWRAPPED and _WITHOUT_SCHEME.match(piece)
            url = _post(f"https://{piece[bare.end() :]}" if bare else piece)
            if url:
                yield url
            elif depth:
                yield from _unwrapped(piece, depth - 1)


def _post(piece: str) -> str:
    """Return the address with which these characters begin; empty where it is not that of a post."""
    matched = _POST.fullmatch(piece)
    if not matched:
        return ""
    path = re.sub(r"^/s/+\?", "/s?", re.sub(r"^/+", "/", matched[2])).rstrip(".:!?*")
    for end in (_ENCODED_END.split(path, maxsplit=1)[0], path):
        url = f"{matched[1].lower()}://{HOST}{_short(end)}"
        if is_post(url):
            return url
    return ""


def _short(path: str) -> str:
    """Return the path of a short link with `_` for `~`, and without what was copied behind its token."""
    matched = _SHORT.fullmatch(path)
    if not matched:
        return path
    token, slash, rest = matched.groups()
    if len(token) > _TOKEN_LENGTH and not token[_TOKEN_LENGTH:].strip("_~"):  # marks of emphasis in Markdown
        token = token[:_TOKEN_LENGTH]
    kept = rest if slash or rest[:1] in ("?", "#") else ""
    return f"/s/{token.replace('~', '_')}{slash}{kept}"


def _unwrapped(piece: str, depth: int) -> Iterator[str]:
    """Yield the addresses in the parameters of another address, else in what its percent-encoding hides."""
    found = list(_in_parameters(piece, depth))
    yield from found
    if not found and (plain := unquote(piece)) != piece:
        yield from _found(plain, depth)


def _in_parameters(url: str, depth: int) -> Iterator[str]:
    try:
        pairs = parse_qsl(urlsplit(url).query, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        return
    for _, value in pairs:
        if "://" in value or "%" in value:
            yield from _found(value, min(depth, MAX_UNWRAPPED - 1))


def _trimmed(url: str) -> str:
    return _ENDS.split(_AMPERSAND.sub("&", url), maxsplit=1)[0].rstrip(".,;:!?)")


TITLES = ("标题title", "title", "标题")

DATES = ("时间time", "time", "create_time", "update_time", "pub_time", "date", "时间", "日期", "发布时间")

_OF_OTHERS = frozenset({"source_url", "content_source_url", "sourceurl"})  # where "read more" leads

_MAX_FIELD = 4096  # characters of a field that holds addresses; the content of a post is longer

_MAX_JSON_IN_JSON = 3  # JSON within strings of JSON; WeChat's lists have one level

_MARKUP = re.compile(r"<(?:opml\b|!doctype netscape-bookmark-file-1)", re.IGNORECASE)


_FEED = re.compile(
    r"(?:\s+|<\?[^>]*>|<!--(?:[^-]|-(?!->))*-->|<!doctype [^>]*>)*<(?:rss|feed|rdf:rdf)[\s>]", re.IGNORECASE
)

_BOOKMARK = re.compile(r"<(?:a\s+([^<>]*)>([^<]*)|outline\s+([^<>]*)>)", re.IGNORECASE)

_TITLE_ATTRIBUTE = re.compile(r"""\b(?:title|text)\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FoundAddress:
    """The address of a post, with title and date as the list writes them, where it does."""

    url: str
    title: str = ""
    date: str = ""


def is_bookmarks(head: str) -> bool:
    """Tell by its beginning whether a file is a bookmark file of a browser or OPML."""
    return bool(_MARKUP.search(head[:_MAX_FIELD]))


def is_feed(head: str) -> bool:
    """Tell by its beginning whether a file is a feed in RSS or Atom."""
    return bool(_FEED.match(head[:_MAX_FIELD].removeprefix("\ufeff")))


def addresses_in_bookmarks(text: str) -> list[FoundAddress]:
    """Return the addresses in a bookmark file or OPML, with the titles of those that have one."""
    titles: dict[str, str] = {}
    for attributes, label, outline in _BOOKMARK.findall(text):
        named = _TITLE_ATTRIBUTE.search(outline)
        title = html.unescape(label if attributes else (named[1] or named[2] or "") if named else "")
        for url in post_addresses(attributes or outline):
            titles.setdefault(url, " ".join(title.split()))
    return [FoundAddress(url, titles.get(url, "")) for url in post_addresses(text)]


def addresses_in_json(text: str) -> list[FoundAddress] | None:
    """Return the addresses in JSON or JSON Lines; None where the text is neither.

    Addresses within a post's content are not listed by themselves, unless there are no others.
    """
    values = _json_values(text)
    if values is None:
        return None
    found = list(_in_values(values, _MAX_JSON_IN_JSON))
    return found or [FoundAddress(url) for url in post_addresses(text)]


def _json_values(text: str) -> list[Any] | None:
    """Return the one value of JSON, or those of JSON Lines, without lines that are broken."""
    stripped = text.lstrip("\ufeff \t\r\n")
    if not stripped.startswith(("{", "[")):
        return None
    try:
        return [json.loads(stripped)]
    except (ValueError, RecursionError):
        values = [value for line in stripped.splitlines() if (value := _object(line)) is not None]
    return values or None


def _object(line: str) -> Any:
    try:
        return json.loads(line) if line.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        return None


def _in_values(values: list[Any], nested: int) -> Iterator[FoundAddress]:
    """Yield the addresses of all fields, in order; titles and dates are those of the same object."""
    waiting = [(value, "", "") for value in reversed(values)]
    while waiting:
        value, title, date = waiting.pop()
        if isinstance(value, dict):
            title, date = _field(value, TITLES), _field(value, DATES)
            inner = [one for name, one in value.items() if name.lower() not in _OF_OTHERS]
            waiting.extend((one, title, date) for one in reversed(inner))
        elif isinstance(value, list):
            waiting.extend((one, title, date) for one in reversed(value))
        elif isinstance(value, str) and value.startswith(("{", "[")) and nested:
            yield from _in_values(_json_values(value) or [], nested - 1)
        elif isinstance(value, str) and len(value) <= _MAX_FIELD and "<" not in value:
            yield from (FoundAddress(url, title, date) for url in post_addresses(value))


def _field(entry: dict[str, Any], names: tuple[str, ...]) -> str:
    values = (entry.get(name) for name in names)
    return next((str(value) for value in values if isinstance(value, str | int) and value), "")
