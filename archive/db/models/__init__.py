"""The tables of the archive as SQLAlchemy models."""

from archive.db.models.accounts import Account, Egress, SourceRow
from archive.db.models.addresses import AddressRow, SightingRow
from archive.db.models.base import Base
from archive.db.models.captures import (
    SERIALS,
    Body,
    CaptureRow,
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
from archive.db.models.operations import Incident, Run
from archive.db.models.posts import (
    Absence,
    FileRow,
    MediumRow,
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
    "AddressRow",
    "Base",
    "Body",
    "CaptureRow",
    "Chain",
    "ChainEntry",
    "Egress",
    "FileRow",
    "Head",
    "HeadLength",
    "Incident",
    "MediumRow",
    "ParseResult",
    "PendingFact",
    "Post",
    "PostLink",
    "PostMedium",
    "PostSearchDocument",
    "Removal",
    "RepeatedCapture",
    "Run",
    "SightingRow",
    "SourceRow",
    "UnparsedCapture",
    "Version",
]
