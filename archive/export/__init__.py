"""Ways out of the archive, one a module; each streams records into a binary file."""

from archive.export.csv import write_csv
from archive.export.dump import write_dump
from archive.export.jsonl import write_jsonl

__all__ = ["write_csv", "write_dump", "write_jsonl"]
