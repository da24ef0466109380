"""Ways out of the archive, one a module: records into one file, a file a post into a folder, captures into a
file of a web archive.
"""

from archive.export.csv import write_csv
from archive.export.dump import write_dump
from archive.export.html import write_html
from archive.export.jsonl import write_jsonl
from archive.export.markdown import write_markdown
from archive.export.selection import Selection
from archive.export.wacz import write_wacz
from archive.export.warc import write_warc

__all__ = [
    "Selection",
    "write_csv",
    "write_dump",
    "write_html",
    "write_jsonl",
    "write_markdown",
    "write_wacz",
    "write_warc",
]
