"""A source's request becomes Scrapy's, whose name in logs and whose secrets never show."""

import gzip
from datetime import datetime
from typing import Any

import pytest
from scrapy.http import Response

from archive.domain.messages import Message
from crawler import redaction
from crawler.discovery.requests import SOURCE_RUN, public_findings, source_reply, source_request
from crawler.discovery.source import Discovery, Fetch, ListedPost, SourceFindings, SourceRun, State
from crawler.parse.response import DamagedResponse
from crawler.requests import OVER_HTTP, SECRET
from tests.crawler.discovery.driving import NOW


class Nothing:
    name = "feed:synthetic"
    host = "rss.example"

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        yield from ()
        return SourceFindings(State.OK)


def run() -> SourceRun:
    return SourceRun(Nothing(), {}, NOW)


def test_a_request_is_shown_by_its_source() -> None:
    one = run()
    request = source_request(Fetch("https://rss.example/secret-path"), one)
    assert "secret-path" not in repr(request)
    assert "feed:synthetic" in repr(request)
    assert request.meta[SOURCE_RUN] is one
    assert "dont_redirect" not in request.meta


def test_an_http_address_goes_out_as_https_and_is_marked() -> None:
    request = source_request(Fetch("http://reader:4000/feed"), run())
    assert (request.url, request.meta[OVER_HTTP]) == ("https://reader:4000/feed", True)
    assert request.meta["dont_redirect"]


def test_a_secret_request_registers_its_query_and_cookie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_registered", set())
    fetch = Fetch("https://x.example/list?token=c0ffee1", headers=(("Cookie", "c0ffee22"),), secret=True)
    assert source_request(fetch, run()).meta[SECRET]
    line = redaction.scrub_log("GET /list?token=c0ffee1 with c0ffee22")
    assert "c0ffee" not in line
    assert "c0ffee" not in repr(fetch)


def test_a_reply_is_unpacked_and_a_damaged_one_refused() -> None:
    headers = {"Content-Encoding": "gzip", "ETag": '"1"'}
    response = Response("https://rss.example/", headers=headers, body=gzip.compress(b"<rss/>"))
    reply = source_reply(response)
    assert (reply.status, reply.body, reply.header("etag")) == (200, b"<rss/>", '"1"')
    with pytest.raises(DamagedResponse):
        source_reply(response.replace(body=response.body[:-5]))


def test_findings_repeat_no_secret_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_registered", set())
    redaction.register_secret("a secret/of a feed")
    encoded = "a%20secret%2Fof%20a%20feed"
    detail = Message("crawler.source.both", {"first": "a secret/of a feed", "second": [encoded]})
    post = ListedPost("https://x.example/", "a secret/of a feed", listing={"entry": [encoded]})
    memory = {"etag": encoded, "resolved": {"a secret/of a feed": "x"}, "page": 3}
    public = public_findings(SourceFindings(State.OK, detail, (post,), None, memory, (detail,)))
    assert "secret" not in repr(public)
    assert public.memory["page"] == 3
