"""The formats of an export, on the command line."""

from enum import StrEnum


class Format(StrEnum):
    """Formats of an export."""

    DUMP = "dump"
    JSONL = "jsonl"
    CSV = "csv"
    HTML = "html"
    MARKDOWN = "markdown"
    WARC = "warc"
    WACZ = "wacz"
