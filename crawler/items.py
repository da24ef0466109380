"""TODO describe."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scrapy.http import Request

from archive.repository.media import DueMedium
from crawler.discovery.source import Found
from crawler.parse.response import FetchedPage

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class FetchFailure:
    """A request that got no answer, and why."""

    request: Request
    error: BaseException


@dataclass(frozen=True, slots=True)
class SourceResult:
    """A source's try at its end."""

    name: str
    found: Found


@dataclass(frozen=True, slots=True)
class MediaDownload:
    """What came for a medium; `max_bytes` bounds it, as received and as unpacked."""

    medium: DueMedium
    answer: FetchedPage
    max_bytes: int
