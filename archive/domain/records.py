"""The record: six string fields, in the order and under the names of the dump its users work with."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from archive.domain.errors import RecordError
from archive.domain.pg_text import storable

SHANGHAI = ZoneInfo("Asia/Shanghai")  # dates of records, whatever the host's time zone

FIELDS = ("文章标识符aid", "标题title", "链接url", "时间time", "公众号名称", "finalContent")

_AID = re.compile(r"[0-9]{1,18}_[0-9]{1,3}")  # a mid fits a 64-bit column; real ones have ten digits


@dataclass(frozen=True, slots=True)
class Record:
    """One post as the dump has it. `date` is YYYY-MM-DD in Asia/Shanghai; `text` follows the text rule."""

    aid: str
    title: str
    url: str
    date: str
    account: str
    text: str

    def as_dict(self) -> dict[str, str]:
        """The record under the dump's own field names, in the dump's order."""
        values = (self.aid, self.title, self.url, self.date, self.account, self.text)
        return dict(zip(FIELDS, values, strict=True))

    def as_json(self) -> str:
        """One record as the dump writes it."""
        return json.dumps(self.as_dict(), ensure_ascii=False)

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any]) -> "Record":
        """Check and take over one object of a dump; raises RecordError with what is wrong with it."""
        return _checked(cls(*(_string(raw, name) for name in FIELDS)))


def _string(raw: Mapping[str, Any], name: str) -> str:
    if name not in raw:
        raise RecordError(f"field {name} is missing")
    value = raw[name]
    if not isinstance(value, str):
        raise RecordError(f"field {name} is a {type(value).__name__}, a string was expected")
    return value


def _checked(record: Record) -> Record:
    if not _AID.fullmatch(record.aid):
        raise RecordError(f"文章标识符aid is {record.aid[:40]!r}, <mid>_<idx> was expected")
    if not _is_day(record.date):
        raise RecordError(f"时间time is {record.date[:40]!r}, YYYY-MM-DD was expected")
    return record


def _is_day(text: str) -> bool:
    """Whether it is a date in the one form that comes out again as it went in (2025-W01-1 does not)."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


VERSION = "1"  # first in every hash, so that a later way of hashing is told from this one


def content_hash(title: str, text: str) -> str:
    """`1:` and the SHA-256 of title and text, lengths included, in hexadecimal."""
    digest = hashlib.sha256()
    for part in (title, text):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return f"{VERSION}:{digest.hexdigest()}"


def record_hash(record: Record) -> str:
    """The hash of a record as it is stored."""
    return content_hash(storable(record.title), storable(record.text))
