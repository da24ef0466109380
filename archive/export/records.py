"""Records as bytes, each on its own: one that cannot be written costs no other."""

import codecs
import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from archive.domain.records import FIELDS, Record
from archive.export.files import Written


def encoded(
    records: Iterable[Record], encode: Callable[[Record], bytes], left_out: Written | None
) -> Iterator[bytes]:
    """The bytes of each record; one that has none is told to `left_out`, without which it raises."""
    for record in records:
        if left_out is None:
            yield encode(record)
            continue
        line = None
        with left_out.apart(f"post {record.aid} of {record.account}"):
            line = encode(record)
        if line is not None:
            yield line


def write_dump(records: Iterable[Record], out: BinaryIO, left_out: Written | None = None) -> int:
    """Write the records as they come, no newline at the end; returns how many were written.

    A record that cannot be is told to `left_out`.
    """
    count = 0
    out.write(b"[")
    for line in encoded(records, lambda record: record.as_json().encode("utf-8", "surrogatepass"), left_out):
        out.write((b", " if count else b"") + line)
        count += 1
    out.write(b"]")
    return count


def write_jsonl(records: Iterable[Record], out: BinaryIO, left_out: Written | None = None) -> int:
    """Write one record a line, UTF-8; returns how many were written.

    A record that cannot be is told to `left_out`.
    """
    count = 0
    for line in encoded(records, lambda record: record.as_json().encode("utf-8", "surrogatepass"), left_out):
        out.write(line + b"\n")
        count += 1
    return count


def write_csv(records: Iterable[Record], out: BinaryIO, left_out: Written | None = None) -> int:
    """Write a header and one row a record; returns how many records were written.

    A record that cannot be is told to `left_out`.
    """
    out.write(codecs.BOM_UTF8 + _row(FIELDS))
    count = 0
    for row in encoded(records, lambda record: _row(record.as_dict().values()), left_out):
        out.write(row)
        count += 1
    return count


def _row(values: Iterable[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow(values)
    return text.getvalue().encode()
