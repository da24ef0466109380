"""The tables, one a module."""

from archive.models.absence import Absence
from archive.models.account import Account
from archive.models.address import AddressRow
from archive.models.base import Base
from archive.models.capture import CaptureRow
from archive.models.chain import Chain, ChainEntry
from archive.models.egress import Egress
from archive.models.file import FileRow
from archive.models.incident import Incident
from archive.models.medium import MediumRow
from archive.models.post import Post
from archive.models.post_link import PostLink
from archive.models.post_medium import PostMedium
from archive.models.post_words import PostWords
from archive.models.run import Run
from archive.models.sighting import SightingRow
from archive.models.source import SourceRow
from archive.models.version import Version

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
