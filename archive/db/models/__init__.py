"""The tables of the archive as SQLAlchemy models."""

from archive.db.models.accounts import Account, Egress, Source
from archive.db.models.addresses import Address, Sighting
from archive.db.models.base import Base
from archive.db.models.captures import (
    SERIALS,
    Body,
    Capture,
    Chain,
    ChainEntry,
    Head,
    HeadLength,
    ParseResult,
    PendingFact,
    Removal,
    RepeatedCapture,
    UnparsedCapture,
)
from archive.db.models.notes import ReaderNote, SavedSearch
from archive.db.models.operations import Incident, Run
from archive.db.models.posts import (
    Absence,
    File,
    Medium,
    Post,
    PostLink,
    PostMedium,
    PostSearchDocument,
    Version,
)

__all__ = [
    "SERIALS",
    "Absence",
    "Account",
    "Address",
    "Base",
    "Body",
    "Capture",
    "Chain",
    "ChainEntry",
    "Egress",
    "File",
    "Head",
    "HeadLength",
    "Incident",
    "Medium",
    "ParseResult",
    "PendingFact",
    "Post",
    "PostLink",
    "PostMedium",
    "PostSearchDocument",
    "ReaderNote",
    "Removal",
    "RepeatedCapture",
    "Run",
    "SavedSearch",
    "Sighting",
    "Source",
    "UnparsedCapture",
    "Version",
]
