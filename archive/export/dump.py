"""The dump: one JSON array, byte for byte as Python's json.dumps(records, ensure_ascii=False) writes it."""

from collections.abc import Iterable
from typing import BinaryIO

from archive.export.records import encoded
from archive.export.written import Written
from archive.record import Record


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
