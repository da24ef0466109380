"""Export records into one file: a dump, JSON lines, or CSV.

Each record is encoded on its own, so that one that cannot be written does not keep others from it.
"""

import codecs
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from archive.domain.messages import Message
from archive.domain.records import CSV_HEADER, Record, csv_row, neutralize_cell
from archive.export.result import ExportResult


def write_dump(records: Iterable[Record], out: BinaryIO, result: ExportResult | None = None) -> int:
    """Write a JSON array without a newline at its end, and return how many records were written.

    A record that cannot be written is recorded in `result`; without one its error is raised.
    """
    count = 0
    out.write(b"[")
    for encoded in _encoded(records, _as_json, result):
        out.write((b", " if count else b"") + encoded)
        count += 1
    out.write(b"]")
    return count


def write_jsonl(records: Iterable[Record], out: BinaryIO, result: ExportResult | None = None) -> int:
    """Write one record a line, as `write_dump` does otherwise."""
    count = 0
    for encoded in _encoded(records, _as_json, result):
        out.write(encoded + b"\n")
        count += 1
    return count


def write_csv(records: Iterable[Record], out: BinaryIO, result: ExportResult | None = None) -> int:
    """Write a header and one row a record, without formulas, as `write_dump` does otherwise."""
    out.write(codecs.BOM_UTF8 + CSV_HEADER)
    count = 0
    for encoded in _encoded(records, _as_csv, result):
        out.write(encoded)
        count += 1
    return count


def _encoded(
    records: Iterable[Record], encode: Callable[[Record], bytes], result: ExportResult | None
) -> Iterator[bytes]:
    for record in records:
        if result is None:
            yield encode(record)
            continue
        encoded = None
        names = {"aid": record.aid, "account": record.account, "day": record.date}
        with result.isolate(Message("archive.export.post", names)):
            encoded = encode(record)
        if encoded is not None:
            yield encoded


def _as_json(record: Record) -> bytes:
    return record.as_json().encode("utf-8", "surrogatepass")


def _as_csv(record: Record) -> bytes:
    return csv_row(map(neutralize_cell, record.as_dict().values()))
