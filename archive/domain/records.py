"""Define the record: six string fields, under the names and in the order of the dump."""

import csv
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from archive.domain.errors import RecordError
from archive.domain.text import storable

SHANGHAI = ZoneInfo("Asia/Shanghai")  # dates of records, whatever the host's time zone

FIELDS = ("文章标识符aid", "标题title", "链接url", "时间time", "公众号名称", "finalContent")

_AID = re.compile(r"[0-9]{1,18}_[0-9]{1,3}")  # a mid fits a 64-bit column; real ones have ten digits


@dataclass(frozen=True, slots=True)
class Record:
    """A post as the dump has it. `date` is YYYY-MM-DD in Asia/Shanghai; `text` follows the text rule."""

    aid: str
    title: str
    url: str
    date: str
    account: str
    text: str

    def as_dict(self) -> dict[str, str]:
        """Return the fields under the dump's names, in the dump's order."""
        values = (self.aid, self.title, self.url, self.date, self.account, self.text)
        return dict(zip(FIELDS, values, strict=True))

    def as_json(self) -> str:
        """Return the record as the dump writes it."""
        return json.dumps(self.as_dict(), ensure_ascii=False)

    def as_csv(self) -> bytes:
        """Return the record as a row of CSV in UTF-8, all cells quoted, none of them a formula."""
        return _csv_row(map(neutralize_cell, self.as_dict().values()))

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any]) -> "Record":
        """Check an object of a dump and return it as a record. Raises RecordError."""
        return _checked(cls(*(_string(raw, name) for name in FIELDS)))


# Spreadsheets take cells that begin so for formulas; full-width signs count in East Asian editions, and some
# programs pass over line breaks before the sign. Most texts begin with a line break alone, and stay. A cell
# that has the mark before such a sign already gets another one, so that removing one restores every cell.
_FORMULA = re.compile("'*[\r\n]*[=+\\-@\t＝＋－＠]")

_MARK = "'"


def neutralize_cell(cell: str) -> str:
    """Return the cell with `'` before a beginning that spreadsheets take for a formula."""
    return _MARK + cell if _FORMULA.match(cell) else cell


def restore_cell(cell: str) -> str:
    """Return the cell as it was before `neutralize_cell`."""
    return cell[1:] if cell.startswith(_MARK) and _FORMULA.match(cell) else cell


class _Line:
    """Stands for the file that a CSV writer needs: `writerow` returns what `write` returns."""

    def write(self, text: str) -> str:
        return text


def _csv_row(values: Iterable[str]) -> bytes:
    line: str = csv.writer(_Line(), quoting=csv.QUOTE_ALL).writerow(values)  # see _Line
    return line.encode()


CSV_HEADER = _csv_row(FIELDS)  # by which an import recognises an exported table


def _string(raw: Mapping[str, Any], name: str) -> str:
    if name not in raw:
        raise RecordError("archive.record.field_missing", field=name)
    value = raw[name]
    if not isinstance(value, str):
        raise RecordError("archive.record.field_not_text", field=name, type=type(value).__name__)
    return value


def _checked(record: Record) -> Record:
    if not _AID.fullmatch(record.aid):
        raise RecordError("archive.record.bad_aid", value=record.aid[:40])
    if not _is_day(record.date):
        raise RecordError("archive.record.bad_date", value=record.date[:40])
    return record


def _is_day(text: str) -> bool:
    """Tell whether it is a date as YYYY-MM-DD; `fromisoformat` takes other forms, such as 2025-W01-1."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


HASH_VERSION = "1"  # begins every hash, so that a later way of hashing can be told apart


def content_hash(title: str, text: str) -> str:
    """Return `1:` and the SHA-256, in hexadecimal, of title and text with their lengths."""
    digest = hashlib.sha256()
    for part in (title, text):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return f"{HASH_VERSION}:{digest.hexdigest()}"


def record_hash(record: Record) -> str:
    """Return the content hash of a record as it is stored."""
    return content_hash(storable(record.title), storable(record.text))
