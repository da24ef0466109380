"""A plain client that follows nothing and hides nothing, for the stand-in's own tests."""

import gzip
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from urllib.parse import urlsplit

PATIENCE = 30  # seconds


@dataclass(frozen=True)
class Got:
    """One answer; `body` is unpacked, `wire` the length it had on the wire."""

    status: int
    headers: HTTPMessage
    body: bytes
    wire: int


def get(origin: str, address: str, *, packed: bool = False) -> Got:
    """Ask the stand-in for an address of mp.weixin.qq.com (or a path). Raises what http.client raises."""
    parts, asked = urlsplit(origin), urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        target = f"{asked.path}?{asked.query}" if asked.query else asked.path
        connection.request("GET", target, headers={"Accept-Encoding": "gzip"} if packed else {})
        answer = connection.getresponse()
        wire = answer.read()
        unpacked = answer.headers["Content-Encoding"] == "gzip"
        body = gzip.decompress(wire) if unpacked else wire
        return Got(answer.status, answer.headers, body, len(wire))
    finally:
        connection.close()
