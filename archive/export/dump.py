"""The dump: one JSON array, byte for byte as Python's json.dumps(records, ensure_ascii=False) writes it."""

from collections.abc import Iterable
from typing import BinaryIO

from archive.record import Record


def write_dump(records: Iterable[Record], out: BinaryIO) -> int:
    """Write the records as they come, no newline at the end; returns how many there were."""
    count = 0
    out.write(b"[")
    for record in records:
        out.write((b", " if count else b"") + record.as_json().encode("utf-8", "surrogatepass"))
        count += 1
    out.write(b"]")
    return count
