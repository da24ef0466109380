"""What was sent to the inbox, whichever way it was written. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from archive.text import storable
from archive.web.refusal import not_readable, unknown_type

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
