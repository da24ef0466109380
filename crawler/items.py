"""What spiders yield besides FetchedPage: failed requests, findings of sources, downloads of media."""

from dataclasses import dataclass

from scrapy.http import Request

from archive.repository.media import DueMedium
from crawler.discovery.source import SourceFindings
from crawler.parse.response import FetchedPage


@dataclass(frozen=True, slots=True)
class FetchFailure:
    """A request that got no response, and why."""

    request: Request
    error: BaseException


@dataclass(frozen=True, slots=True)
class SourceResult:
    """The findings of one source, by its name."""

    name: str
    findings: SourceFindings


@dataclass(frozen=True, slots=True)
class MediaDownload:
    """The response to a request for a medium; `max_bytes` bounds it, as received and as unpacked."""

    medium: DueMedium
    response: FetchedPage
    max_bytes: int
