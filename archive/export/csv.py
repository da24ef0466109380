"""CSV for spreadsheets: the dump's fields as columns.

UTF-8 with a byte order mark, without which Excel takes it for a Chinese code page; text keeps its carriage
returns, in quotes, as Python's csv module reads them back.
"""

import codecs
import csv
import io
from collections.abc import Iterable
from typing import BinaryIO

from archive.export.records import encoded
from archive.export.written import Written
from archive.record import FIELDS, Record


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
