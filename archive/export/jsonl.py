"""JSON Lines: one record of the dump a line."""

from collections.abc import Iterable
from typing import BinaryIO

from archive.record import Record


def write_jsonl(records: Iterable[Record], out: BinaryIO) -> int:
    """Write one record a line, UTF-8; returns how many there were."""
    count = 0
    for count, record in enumerate(records, start=1):  # noqa: B007 - the last number is the count
        out.write(record.as_json().encode("utf-8", "surrogatepass") + b"\n")
    return count
