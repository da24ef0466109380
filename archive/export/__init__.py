"""Ways out of the archive, one a module: records into one file, a file a post into a folder, captures into a
file of a web archive.
"""

from archive.export.html import write_html
from archive.export.markdown import write_markdown
from archive.export.records import write_csv, write_dump, write_jsonl
from archive.export.wacz import write_wacz
from archive.export.warc import write_warc
from archive.repository.capture_selection import Selection

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
