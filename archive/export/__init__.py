"""Export the archive: records into one file, posts into a folder of files, captures into a web archive."""

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
