"""Measure each step of processing a page by itself, on one of the measured pages."""

import gzip
import hashlib
import statistics
import time
from collections.abc import Callable

from archive.storage import body_codec
from archive.storage.body_codec import signature
from crawler.parse.html_outline import outline, to_utf8
from crawler.parse.page import read_page
from crawler.parse.script_state import PageState

ROUNDS = 30


def steps(body: bytes, earlier: bytes) -> dict[str, float]:
    """Return milliseconds per page, by step; the two largest parts of the parser are also listed alone."""
    packed = gzip.compress(body, 6)
    served = to_utf8(body)
    scripts = outline(served).scripts
    work: dict[str, Callable[[], object]] = {
        "unpack gzip": lambda: gzip.decompress(packed),
        "hash (SHA-256)": lambda: hashlib.sha256(body).digest(),
        "find the most similar delta base (signature)": lambda: signature(body),
        "compress it against the delta base (zstd)": lambda: body_codec.encode_delta(body, earlier),
        "parse, in total": lambda: read_page(body),
        "- of that: scan the tags": lambda: outline(served),
        "- of that: read the script state": lambda: PageState(scripts),
    }
    return {name: _milliseconds(step) for name, step in work.items()}


def _milliseconds(step: Callable[[], object]) -> float:
    def once() -> float:
        start = time.perf_counter()
        step()
        return (time.perf_counter() - start) * 1000

    return statistics.median(once() for _ in range(ROUNDS))
