"""Reads a feed in a process of its own, which is ended when it takes too much time or memory.

feedparser's time grows with the square of an element's attributes, and it holds the interpreter's lock
meanwhile: in a thread, one feed could stop all others.
"""

import json
import resource
import subprocess
import sys
from dataclasses import astuple
from datetime import datetime

from archive.domain.messages import Message
from crawler.discovery.source import SourceError, State
from crawler.discovery.sources.feed import FeedEntry, read_entries

COMMAND = ("-m", "crawler.discovery.feed_process")

CPU_SECONDS = 60  # 8 MB of broken XML take 40

WALL_SECONDS = 180.0  # on a busy machine

MEMORY = 2 * 1024**3  # bytes; a feed of 8 MB takes 300 MB


def read_feed(body: bytes) -> list[FeedEntry]:
    """Return the entries of a feed. Raises SourceError when this is no feed, or exceeds the bounds above."""
    command = [sys.executable, *COMMAND]
    try:
        done = subprocess.run(  # noqa: S603 - this program
            command, input=body, capture_output=True, timeout=WALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise _too_long() from None
    if done.returncode < 0:
        raise _too_long()
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise SourceError(State.NOT_UNDERSTOOD, "crawler.feed.process_failed") from None
    if isinstance(answer, dict):
        message = Message.from_json(answer["message"])
        raise SourceError(State(answer["state"]), message.code, **message.params)
    return [_entry(*entry) for entry in answer]


def _too_long() -> SourceError:
    return SourceError(State.NOT_UNDERSTOOD, "crawler.feed.too_slow", limit=CPU_SECONDS)


def _entry(identity: str, link: str, title: str, published_at: str | None, content: str) -> FeedEntry:
    instant = datetime.fromisoformat(published_at) if published_at else None
    return FeedEntry(identity, link, title, instant, content)


def main() -> None:
    """Read a feed from standard input, write its entries as JSON."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    if sys.platform == "linux":  # elsewhere only the bound of bytes holds
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer: object
    try:
        answer = [astuple(entry) for entry in read_entries(sys.stdin.buffer.read())]
    except SourceError as error:
        answer = {"state": str(error.state), "message": error.message.as_json()}
    sys.stdout.write(json.dumps(answer, default=datetime.isoformat))  # ASCII, whatever the locale


if __name__ == "__main__":
    main()
