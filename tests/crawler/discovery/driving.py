"""Drives a source with given replies, and collects its requests and findings."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from crawler.discovery.source import Fetch, Reply, Source, SourceFindings

BIZ = "Mzk5OTAwMDAwMQ=="
OTHER = "Mzk5OTAwMDAwMg=="
NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
Answers = Callable[[Fetch], Reply]


def drive(
    source: Source, answers: Answers | Iterable[Reply] = (), memory: dict[str, Any] | None = None
) -> tuple[SourceFindings, list[Fetch]]:
    """Run a source to its end, with replies from a function or in order; return findings and requests."""
    left = iter(answers) if not callable(answers) else None
    steps = source.discover(memory or {}, NOW)
    asked: list[Fetch] = []
    try:
        ask = next(steps)
        while True:
            asked.append(ask)
            reply = answers(ask) if callable(answers) else next(left)  # type: ignore[arg-type]
            ask = steps.send(reply)
    except StopIteration as end:
        assert isinstance(end.value, SourceFindings), "it sent more requests than there are replies"
        return end.value, asked


def page(value: Any, status: int = 200, url: str = "https://mp.weixin.qq.com/x") -> Reply:
    """Return a reply with JSON, or with these very bytes."""
    body = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    return Reply(status, url, (("Content-Type", "application/json"),), body)


def query(ask: Fetch) -> dict[str, str]:
    """Return the parameters of a request."""
    return dict(parse_qsl(urlsplit(ask.url).query, keep_blank_values=True))


def post_url(number: int, biz: str = BIZ, chksm: str = "ab12") -> str:
    """Return the long address of invented post `number`."""
    tail = f"&chksm={chksm}" if chksm else ""
    return f"http://mp.weixin.qq.com/s?__biz={biz}&mid={2650000000 + number}&idx=1&sn=5a{number}{tail}#rd"
