"""The tables, one a file. Importing this package fills `Base.metadata` with all of them."""

from archive.models.account import Account
from archive.models.address import AddressRow, AddressState
from archive.models.base import Base
from archive.models.capture import CaptureRow
from archive.models.post import Post
from archive.models.run import Run, RunAddress
from archive.models.sighting import SightingRow
from archive.models.version import Version

__all__ = [
    "Account",
    "AddressRow",
    "AddressState",
    "Base",
    "CaptureRow",
    "Post",
    "Run",
    "RunAddress",
    "SightingRow",
    "Version",
]
