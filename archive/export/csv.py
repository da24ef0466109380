"""CSV for spreadsheets: the dump's fields as columns.

UTF-8 with a byte order mark, without which Excel takes it for a Chinese code page; text keeps its carriage
returns, in quotes, as Python's csv module reads them back.
"""

import codecs
import csv
import io
from collections.abc import Iterable
from typing import BinaryIO

from archive.record import FIELDS, Record


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
