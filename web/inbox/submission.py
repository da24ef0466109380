"""Submissions to the inbox: what a body holds, which of its addresses are posts, and their filing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, urldefrag

from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.domain.address_list import ListedAddress, read_addresses
from archive.domain.address_text import embedded, in_text, others_in_text, without_addresses
from archive.domain.addresses import PostAddress, parse_address, without_session
from archive.domain.captures import Sighted, SightingData
from archive.domain.errors import AddressError, MessageError
from archive.domain.messages import Message
from archive.domain.text import storable
from archive.repository.frontier import submit_sightings
from web.auth import MIN_TOKEN

MAX_BODY_BYTES = 64 * 1024  # a text with a hundred addresses has 30,000

MAX_SUBMITTED = 100  # addresses in one body

MAX_SUBMISSIONS, SUBMISSION_WINDOW = 60, 60  # in so many seconds: more than a person sends

MAX_UNSIGNED = 64  # bodies received at once that come without the token in a header

MAX_CLIENT_UNSIGNED = 8  # of them from one client; a phone sends one

BODY_SECONDS = 10  # for the whole body to arrive

DATABASE_RETRY = 10  # seconds until a database that did not answer is worth another try


class InboxError(MessageError):
    """An answer other than 200: its HTTP status, and the seconds until it is worth another try (0: none)."""

    def __init__(self, status: int, code: str, wait: int = 0, **params: Any):
        super().__init__(code, **params)
        self.status, self.wait = status, wait


def inbox_closed() -> InboxError:
    """Return the answer of an inbox without a token, which says how to set one."""
    return InboxError(403, "web.inbox.closed", least=MIN_TOKEN)


def body_too_long() -> InboxError:
    """Return the answer to a body of more than MAX_BODY_BYTES."""
    return InboxError(413, "web.inbox.too_long", most=MAX_BODY_BYTES)


def body_unreadable(code: str, **params: Any) -> InboxError:
    """Return the answer to a body that is not what its type says; the message code says why."""
    return InboxError(400, "web.inbox.unreadable", reason=Message(code, params))


FORM = "application/x-www-form-urlencoded"

_MAX_FIELDS = 200

_TEXT_FIELDS = ("url", "text")


@dataclass(frozen=True, slots=True)
class Submission:
    """A text with addresses in it; a title and a token, where they were sent along."""

    text: str
    title: str = ""
    token: str = field(default="", repr=False)


def read_submission(body: bytes, media_type: str) -> Submission:
    """Read a body of this media type. Raises InboxError for another type, and for what cannot be read."""
    match media_type:
        case "application/json":
            return _from_fields(_json_fields(body))
        case "text/plain":
            return Submission(storable(_decoded(body)))
        case _ if media_type == FORM:
            return _from_fields(_form_fields(body))
    raise InboxError(415, "web.inbox.content_type")


def media_type_of(content_type: str) -> str:
    """Return the media type of a Content-Type header, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def _decoded(body: bytes) -> str:
    """Decode as UTF-8 with replacement: addresses are ASCII and survive whatever else is broken."""
    return body.decode("utf-8-sig", "replace")


def _json_fields(body: bytes) -> dict[str, str]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise body_unreadable("web.inbox.unreadable_json") from None
    if not isinstance(value, dict):
        examples = {"example": '{"url": "…"}', "other": '{"text": "…"}'}
        raise body_unreadable("web.inbox.unreadable_object", **examples)
    names = (*_TEXT_FIELDS, "title", "token")
    fields = {name: value[name] for name in names if value.get(name) is not None}
    for name, inner in fields.items():
        if not isinstance(inner, str):
            raise body_unreadable("web.inbox.unreadable_field", name=name)
    return fields


def _form_fields(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(_decoded(body), max_num_fields=_MAX_FIELDS, errors="replace")
    except ValueError:
        raise body_unreadable("web.inbox.unreadable_fields", most=_MAX_FIELDS) from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields[name] = f"{fields[name]}\n{value}" if name in fields else value
    return fields


def _from_fields(fields: Mapping[str, str]) -> Submission:
    text = "\n".join(fields[name] for name in _TEXT_FIELDS if name in fields)
    return Submission(storable(text), storable(fields.get("title", "")), fields.get("token", ""))


INBOX_SOURCE = "inbox"  # the source of a sighting that was filed here

MAX_SUBMITTED_TITLE = 200  # characters; WeChat allows 64, and a longer text is not a title

_MAX_SHOWN = 200  # characters of an address that is refused

STATEMENT_SECONDS = 10  # per SQL statement: a person waits for the answer


@dataclass(frozen=True, slots=True)
class RefusedAddress:
    """An address that is not that of a post, and why."""

    address: str
    reason: Message


@dataclass(frozen=True, slots=True)
class ClassifiedAddresses:
    """The addresses of a submission: those of posts, and those that are refused."""

    sightings: list[SightingData]
    refused: list[RefusedAddress]


def classify_addresses(sent: Submission, now: datetime) -> ClassifiedAddresses:
    """Tell posts' addresses from others. Pure; `now` is an aware UTC instant.

    Raises InboxError when there is no post's address, or too many addresses.
    """
    found: dict[str, PostAddress] = {}
    refused: list[RefusedAddress] = []
    urls = [*in_text(sent.text), *others_in_text(sent.text)]
    if len(urls) > MAX_SUBMITTED:
        raise InboxError(413, "web.inbox.too_many", most=MAX_SUBMITTED)
    for url in urls:
        try:
            address = _post_address(url)
        except AddressError as error:
            refused.append(RefusedAddress(url[:_MAX_SHOWN], error.message))
        else:
            found[address.url] = address
    if not found:
        raise InboxError(400, "web.inbox.no_address")
    titles = _listed_titles(sent.text)
    if len(found) == 1 and (sent.title or not any(titles.values())):
        titles = dict.fromkeys((one.key for one in found.values()), _title(sent))
    return ClassifiedAddresses(
        [SightingData(one, INBOX_SOURCE, now, title=titles.get(one.key, "")) for one in found.values()],
        refused,
    )


def _listed_titles(text: str) -> dict[str, str]:
    """Return by the key of its address the title of each post, where the text is a list with titles."""
    listed = (
        one
        for one in read_addresses(BytesIO(text.encode("utf-8", "replace")))
        if isinstance(one, ListedAddress)
    )
    return {one.address.key: one.title[:MAX_SUBMITTED_TITLE] for one in listed}


def _post_address(url: str) -> PostAddress:
    """Return the post that an address names or, as that of the verification page does, carries."""
    try:
        return _sessionless_address(url)
    except AddressError:
        if inner := embedded(url):
            return _sessionless_address(inner)
        raise


def _sessionless_address(url: str) -> PostAddress:
    """Parse an address without its reader's session and its fragment, which may hold anything."""
    try:
        clean, _ = urldefrag(without_session(url))
    except ValueError:
        raise AddressError("web.inbox.not_address", url=url[:120]) from None
    return parse_address(clean)


def _title(sent: Submission) -> str:
    """Return the title that was sent, else the text that a share sheet writes beside the address."""
    title = " ".join(sent.title.split()) or without_addresses(sent.text)
    return "" if len(title) > MAX_SUBMITTED_TITLE or "\ufffd" in title else title


def file_sightings(engine: Engine, sightings: Sequence[SightingData], now: datetime) -> list[Sighted]:
    """Store sightings, in order; those without a final answer are due at once. `now` is aware UTC.

    Raises SQLAlchemy's DBAPIError or TimeoutError when the database does not answer, or not in time.
    """
    with transaction(engine) as session:
        return submit_sightings(session, sightings, now, statement_seconds=STATEMENT_SECONDS)
