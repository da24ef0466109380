"""Ways out of the archive, one a module: records into one file, or a file a post into a folder."""

from archive.export.csv import write_csv
from archive.export.dump import write_dump
from archive.export.html import write_html
from archive.export.jsonl import write_jsonl
from archive.export.markdown import write_markdown

__all__ = ["write_csv", "write_dump", "write_html", "write_jsonl", "write_markdown"]
