"""Between a source's asks and replies and Scrapy's requests and responses."""

from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

from scrapy import Request
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadTimeoutError,
    ResponseDataLossError,
)
from scrapy.http import Response
from scrapy.settings import BaseSettings

from crawler import redaction
from crawler.discovery.source import Ask, Reply, SourceRun
from crawler.parse.response import FetchedPage, unpack
from crawler.requests import OVER_HTTP, SECRET

TRY = "try"  # key of Request.meta

SOURCE = "source"

_NO_TIME = datetime.fromtimestamp(0, UTC)  # nobody keeps the answer


class SourceRequest(Request):
    """A request whose name in logs is its source's: the address may be secret."""

    def __repr__(self) -> str:
        """Method and source."""
        return f"<{self.method} for {self.meta.get(SOURCE, 'a source')}>"


def request_of(ask: Ask, one: SourceRun) -> SourceRequest:
    """The request for an ask. An http address goes out as https in all but the wire: one door for both."""
    parts = urlsplit(ask.url)
    meta = {TRY: one, SOURCE: one.name, SECRET: ask.secret, OVER_HTTP: parts.scheme == "http"}
    if not ask.follow or meta[OVER_HTTP]:
        meta["dont_redirect"] = True
    if ask.secret:
        keep_secret(ask)
    return SourceRequest(
        urlunsplit(parts._replace(scheme="https")),
        method=ask.method,
        headers=dict(ask.headers),
        body=ask.body,
        meta=meta,
        dont_filter=True,
    )


def keep_secret(ask: Ask) -> None:
    """From here on nothing of it is written down, whoever quotes it."""
    parts = urlsplit(ask.url)
    redaction.keep_out(parts.query)
    redaction.keep_out(f"{parts.path}?{parts.query}" if parts.query else parts.path)
    for name, value in ask.headers:
        if redaction.is_secret_header(name):
            redaction.keep_out(value)


def reply_of(response: Response) -> Reply:
    """The reply in a response, unpacked; raises DamagedAnswer."""
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, values in response.headers.items()
        for value in values
    )
    answer = FetchedPage(None, response.url, response.url, response.status, headers, response.body, _NO_TIME)
    return Reply(response.status, response.url, headers, unpack(answer).body)


def reason_of(error: BaseException | None, settings: BaseSettings) -> str:
    """Why no reply came. In words of our own: an error's message may quote the address."""
    match error:
        case DownloadTimeoutError():
            return f"no answer within {settings.getfloat('DOWNLOAD_TIMEOUT'):g} s"
        case DownloadCancelledError():
            return f"its answer is over {settings.getint('DOWNLOAD_MAXSIZE') // (1024 * 1024)} MB"
        case CannotResolveHostError():
            return "its host is not known"
        case DownloadConnectionRefusedError():
            return "its server refuses connections"
        case ResponseDataLossError():
            return "its answer ended in the middle"
    return f"the connection failed ({type(error).__name__})"
