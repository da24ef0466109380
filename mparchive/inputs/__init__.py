"""What people hand in: dumps, lists of addresses and saved pages, told apart by their content."""

from mparchive.inputs.dump import Entry, read_dump
from mparchive.inputs.flaw import Flaw, InputError
from mparchive.inputs.listing import Listed, read_list
from mparchive.inputs.source import Form, Source, is_address, open_source

__all__ = [
    "Entry",
    "Flaw",
    "Form",
    "InputError",
    "Listed",
    "Source",
    "is_address",
    "open_source",
    "read_dump",
    "read_list",
]
