"""JSON Lines: one record of the dump a line."""

from collections.abc import Iterable
from typing import BinaryIO

from archive.export.records import encoded
from archive.export.written import Written
from archive.record import Record


def write_jsonl(records: Iterable[Record], out: BinaryIO, left_out: Written | None = None) -> int:
    """Write one record a line, UTF-8; returns how many were written.

    A record that cannot be is told to `left_out`.
    """
    count = 0
    for line in encoded(records, lambda record: record.as_json().encode("utf-8", "surrogatepass"), left_out):
        out.write(line + b"\n")
        count += 1
    return count
