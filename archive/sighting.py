"""A sighting: a place where a post's address was seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from archive.address import Address


@dataclass(frozen=True, slots=True)
class Sighting:
    """`source` names who told of the address; `seen_at` is an aware UTC instant.

    `expected_biz` is the account it was listed for; empty where whatever it leads to is wanted.
    """

    address: Address
    source: str
    seen_at: datetime
    title: str = ""
    listing: dict[str, Any] | None = None
    expected_biz: str = ""


@dataclass(frozen=True, slots=True)
class Sighted:
    """What a sighting became: its address row, and whether that is new."""

    address_id: int
    key: str
    is_new: bool
