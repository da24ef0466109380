"""The tables of the archive as SQLAlchemy models."""

from archive.db.models.accounts import Account, Egress, SourceRow
from archive.db.models.addresses import AddressRow, SightingRow
from archive.db.models.base import Base
from archive.db.models.captures import CaptureRow, Chain, ChainEntry
from archive.db.models.media import FileRow, MediumRow, PostMedium
from archive.db.models.operations import Incident, Run
from archive.db.models.posts import Absence, Post, PostLink, PostWords, Version

__all__ = [
    "Absence",
    "Account",
    "AddressRow",
    "Base",
    "CaptureRow",
    "Chain",
    "ChainEntry",
    "Egress",
    "FileRow",
    "Incident",
    "MediumRow",
    "Post",
    "PostLink",
    "PostMedium",
    "PostWords",
    "Run",
    "SightingRow",
    "SourceRow",
    "Version",
]
