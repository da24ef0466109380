"""What people hand in: dumps, lists, saved pages, WARC, WACZ, accounts; told apart by their content."""

from mparchive.inputs.accounts import NamedAccount, read_accounts
from mparchive.inputs.dump import Entry, read_dump
from mparchive.inputs.flaw import Flaw, InputError, NoInput, Passed
from mparchive.inputs.folder import files_of, is_listing
from mparchive.inputs.listing import Listed, read_list
from mparchive.inputs.page import SavedPage
from mparchive.inputs.source import Form, Source, is_address, open_source, shown
from mparchive.inputs.wacz import read_wacz
from mparchive.inputs.warc import read_warc

__all__ = [
    "Entry",
    "Flaw",
    "Form",
    "InputError",
    "Listed",
    "NamedAccount",
    "NoInput",
    "Passed",
    "SavedPage",
    "Source",
    "files_of",
    "is_address",
    "is_listing",
    "open_source",
    "read_accounts",
    "read_dump",
    "read_list",
    "read_wacz",
    "read_warc",
    "shown",
]
