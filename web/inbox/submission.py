"""What the inbox does not take, and its words for it: one sentence, in English and in Chinese."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl, urldefrag

from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.domain.addresses import (
    Address,
    embedded,
    in_text,
    others_in_text,
    parse_address,
    without_addresses,
    without_session,
)
from archive.domain.captures import Sighted, Sighting
from archive.domain.errors import AddressError
from archive.domain.pg_text import storable
from archive.repository.frontier import submit_sightings
from web.auth import SHORTEST

MAX_BODY = 64 * 1024  # bytes; a text with a hundred addresses has 30,000

MAX_ADDRESSES = 100

MOST, WINDOW = 60, 60  # posts in so many seconds

MOST_UNSIGNED = 64  # bodies received at once that come without the token in a header

MOST_OF_ONE = 8  # of them from one client; a phone sends one

BODY_SECONDS = 10  # for the whole body


class InboxError(Exception):
    """An answer other than 200. `wait`: seconds until it is worth another try."""

    def __init__(self, status: int, english: str, chinese: str, wait: int = 0):
        super().__init__(english)
        self.status, self.english, self.chinese, self.wait = status, english, chinese, wait


def no_address() -> InboxError:
    """Nothing in it leads to a post."""
    return InboxError(
        400,
        "there is no address of a post in it; send one such as https://mp.weixin.qq.com/s/…",
        "其中没有文章链接；请发送形如 https://mp.weixin.qq.com/s/… 的链接。",
    )


def not_readable(why: str) -> InboxError:
    """The body is not what its type says."""
    return InboxError(400, f"the body cannot be read: {why}", "无法读取发送的内容。")


def wrong_token() -> InboxError:
    """No token, or another."""
    return InboxError(
        401,
        "the token is missing or wrong; send `Authorization: Bearer …`, or a field `token`",
        "口令缺失或不正确。",
    )


def no_token_set() -> InboxError:
    """Whoever runs the archive has not opened the inbox."""
    return InboxError(
        403,
        f"the inbox is closed: set MPARCHIVE_INBOX_TOKEN or MPARCHIVE_INBOX_TOKEN_FILE (at least {SHORTEST} "
        "characters) and start `mparchive serve` again",
        "收件箱未开启：请设置 MPARCHIVE_INBOX_TOKEN 或 MPARCHIVE_INBOX_TOKEN_FILE"
        f"（至少 {SHORTEST} 个字符），然后重新启动 mparchive serve。",
    )


def too_slow() -> InboxError:
    """The body did not come."""
    return InboxError(
        408, f"the body did not arrive within {BODY_SECONDS} s; send it again", "内容未能及时送达，请重试。"
    )


def too_long() -> InboxError:
    """Too many bytes."""
    return InboxError(
        413,
        f"the body has over {MAX_BODY} bytes; send its addresses alone, or use `mparchive backfill`",
        "内容过长；请只发送链接，或使用 mparchive backfill。",
    )


def too_many() -> InboxError:
    """Too many addresses."""
    return InboxError(
        413,
        f"it holds over {MAX_ADDRESSES} addresses; send fewer at a time, or use `mparchive backfill`",
        f"一次最多 {MAX_ADDRESSES} 个链接；请分批发送，或使用 mparchive backfill。",
    )


def unknown_type() -> InboxError:
    """A body of a type that is not read."""
    return InboxError(
        415,
        "the Content-Type must be application/json, application/x-www-form-urlencoded or text/plain",
        "内容类型必须是 application/json、application/x-www-form-urlencoded 或 text/plain。",
    )


def too_often(wait: int) -> InboxError:
    """More than a person sends."""
    return InboxError(
        429,
        f"at most {MOST} posts a minute; wait {wait} s",
        f"每分钟最多 {MOST} 次；请等待 {wait} 秒。",
        wait,
    )


def too_many_at_once(wait: int = BODY_SECONDS) -> InboxError:
    """Others are still sending."""
    return InboxError(
        503,
        f"too many send at once; wait {wait} s, or send the token as `Authorization: Bearer …`",
        f"同时发送的人过多；请等待 {wait} 秒，或在 Authorization: Bearer 请求头中提供口令。",
        wait,
    )


def database_away(wait: int = 10) -> InboxError:
    """What was sent could not be kept."""
    return InboxError(
        503,
        "the database does not answer; nothing was filed, try again",
        "数据库没有应答，未收下；请稍后重试。",
        wait,
    )


FORM = "application/x-www-form-urlencoded"

_MAX_FIELDS = 200

_WANTED = ("url", "text")


@dataclass(frozen=True, slots=True)
class Submission:
    """Texts with addresses in them; a title and a token, where they came along."""

    text: str
    title: str = ""
    token: str = field(default="", repr=False)


def read_submission(body: bytes, media_type: str) -> Submission:
    """Read a body of this type. Raises Refusal."""
    match media_type:
        case "application/json":
            return _of_fields(_json(body))
        case "text/plain":
            return Submission(storable(_decoded(body)))
        case _ if media_type == FORM:
            return _of_fields(_form(body))
    raise unknown_type()


def media_type_of(content_type: str) -> str:
    """The type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def _decoded(body: bytes) -> str:
    """Addresses are ASCII: they survive whatever else is broken."""
    return body.decode("utf-8-sig", "replace")


def _json(body: bytes) -> dict[str, str]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise not_readable("it is no JSON") from None
    if not isinstance(value, dict):
        raise not_readable('a JSON object was expected: {"url": "…"} or {"text": "…"}')
    fields = {name: value[name] for name in (*_WANTED, "title", "token") if value.get(name) is not None}
    for name, inner in fields.items():
        if not isinstance(inner, str):
            raise not_readable(f"{name} is no text")
    return fields


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(_decoded(body), max_num_fields=_MAX_FIELDS, errors="replace")
    except ValueError:
        raise not_readable(f"over {_MAX_FIELDS} fields") from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields[name] = f"{fields[name]}\n{value}" if name in fields else value
    return fields


def _of_fields(fields: Mapping[str, str]) -> Submission:
    text = "\n".join(fields[name] for name in _WANTED if name in fields)
    return Submission(storable(text), storable(fields.get("title", "")), fields.get("token", ""))


SOURCE = "inbox"

LONGEST_TITLE = 200  # characters; WeChat allows 64, and a longer text is none

SHOWN = 200  # characters of an address that is refused

STATEMENT_SECONDS = 10  # whoever files a link waits for the answer


@dataclass(frozen=True, slots=True)
class Refused:
    """An address that is none of a post, and why."""

    address: str
    why: str


@dataclass(frozen=True, slots=True)
class Sorted:
    """Everything found in what was sent."""

    sightings: list[Sighting]
    refused: list[Refused]


def classify_addresses(sent: Submission, now: datetime) -> Sorted:
    """Tell posts' addresses from others; pure. Raises Refusal when there is none, or too many."""
    found: dict[str, Address] = {}
    refused: list[Refused] = []
    urls = [*in_text(sent.text), *others_in_text(sent.text)]
    if len(urls) > MAX_ADDRESSES:
        raise too_many()
    for url in urls:
        try:
            address = _post(url)
        except AddressError as error:
            refused.append(Refused(url[:SHOWN], str(error)))
        else:
            found[address.url] = address
    if not found:
        raise no_address()
    title = _title(sent) if len(found) == 1 else ""
    return Sorted([Sighting(one, SOURCE, now, title=title) for one in found.values()], refused)


def _post(url: str) -> Address:
    """The post an address names, or else carries: that of the verification page does."""
    try:
        return _without_reader(url)
    except AddressError:
        if inner := embedded(url):
            return _without_reader(inner)
        raise


def _without_reader(url: str) -> Address:
    """Without the reader's session, wherever it is: a fragment names no post, and may hold anything."""
    try:
        clean, _ = urldefrag(without_session(url))
    except ValueError:
        raise AddressError(f"{url[:120]} is not an address") from None
    return parse_address(clean)


def _title(sent: Submission) -> str:
    """What was called so, else what a share sheet writes beside the address."""
    title = " ".join(sent.title.split()) or without_addresses(sent.text)
    return "" if len(title) > LONGEST_TITLE or "\ufffd" in title else title


def file_sightings(engine: Engine, sightings: Sequence[Sighting], now: datetime) -> list[Sighted]:
    """Put them into the archive, due at once unless they have had their final answer; in order.

    Raises SQLAlchemy's DBAPIError or TimeoutError when the database is away, or busy for over 10 s.
    """
    with transaction(engine) as session:
        return submit_sightings(session, sightings, now, statement_seconds=STATEMENT_SECONDS)
