"""Converts a source's requests to Scrapy's, and Scrapy's responses to the source's replies."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

from scrapy import Request
from scrapy.http import Response

from crawler import redaction
from crawler.discovery.source import Fetch, ListedPost, Reply, SourceFindings, SourceRun
from crawler.parse.response import FetchedPage, unpack
from crawler.requests import OVER_HTTP, SECRET

SOURCE_RUN = "source_run"  # key of Request.meta

SOURCE = "source"  # key of Request.meta

_NO_TIME = datetime.fromtimestamp(0, UTC)  # of a response that is not stored


class SourceRequest(Request):
    """A request that logs show under its source's name, because the address may be secret."""

    def __repr__(self) -> str:
        """Return method and source."""
        return f"<{self.method} for {self.meta.get(SOURCE, 'a source')}>"


def source_request(fetch: Fetch, run: SourceRun) -> SourceRequest:
    """Return Scrapy's request for a source's.

    An http address gets the https scheme, which the download handler takes off again: Scrapy then has one
    handler for both.
    """
    parts = urlsplit(fetch.url)
    meta = {SOURCE_RUN: run, SOURCE: run.name, SECRET: fetch.secret, OVER_HTTP: parts.scheme == "http"}
    if not fetch.follow or meta[OVER_HTTP]:
        meta["dont_redirect"] = True
    if not fetch.retry:
        meta["dont_retry"] = True
    if fetch.secret:
        register_secrets(fetch)
    return SourceRequest(
        urlunsplit(parts._replace(scheme="https")),
        method=fetch.method,
        headers=dict(fetch.headers),
        body=fetch.body,
        meta=meta,
        dont_filter=True,
    )


def register_secrets(fetch: Fetch) -> None:
    """Register what is secret in a request, so that no log line shows it from now on."""
    parts = urlsplit(fetch.url)
    redaction.register_secret(parts.query)
    redaction.register_secret(f"{parts.path}?{parts.query}" if parts.query else parts.path)
    for name, value in fetch.headers:
        if redaction.is_secret_header(name):
            redaction.register_secret(value)


def public_findings(findings: SourceFindings) -> SourceFindings:
    """Return findings without any secret of this process: a server may repeat the one it was sent."""

    def public(posts: Iterable[ListedPost]) -> tuple[ListedPost, ...]:
        return tuple(
            replace(post, title=redaction.scrub_log(post.title), listing=redaction.scrub_values(post.listing))
            for post in posts
        )

    return replace(
        findings,
        detail=findings.detail and redaction.scrub_message(findings.detail),
        posts=public(findings.posts),
        announced=public(findings.announced),
        memory=redaction.scrub_values(findings.memory),
        warnings=tuple(map(redaction.scrub_message, findings.warnings)),
    )


def source_reply(response: Response) -> Reply:
    """Return the unpacked reply in a response. Raises DamagedResponse."""
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, values in response.headers.items()
        for value in values
    )
    page = FetchedPage(None, response.url, response.url, response.status, headers, response.body, _NO_TIME)
    return Reply(response.status, response.url, headers, unpack(page).body)
