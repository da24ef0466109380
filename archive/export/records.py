"""The dump: one JSON array, byte for byte as Python's json.dumps(records, ensure_ascii=False) writes it."""

import codecs
import csv
import io
from collections.abc import Iterable
from typing import BinaryIO

from archive.domain.records import FIELDS, Record


def write_dump(records: Iterable[Record], out: BinaryIO) -> int:
    """Write the records as they come, no newline at the end; returns how many there were."""
    count = 0
    out.write(b"[")
    for record in records:
        out.write((b", " if count else b"") + record.as_json().encode("utf-8", "surrogatepass"))
        count += 1
    out.write(b"]")
    return count


def write_jsonl(records: Iterable[Record], out: BinaryIO) -> int:
    """Write one record a line, UTF-8; returns how many there were."""
    count = 0
    for count, record in enumerate(records, start=1):  # noqa: B007 - the last number is the count
        out.write(record.as_json().encode("utf-8", "surrogatepass") + b"\n")
    return count


def write_csv(records: Iterable[Record], out: BinaryIO) -> int:
    """Write a header and one row a record; returns how many records there were."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    out.write(codecs.BOM_UTF8)
    rows = csv.DictWriter(text, FIELDS, quoting=csv.QUOTE_ALL)
    rows.writeheader()
    count = 0
    for record in records:
        rows.writerow(record.as_dict())
        count += 1
    text.flush()
    text.detach()
    return count
