"""Reading a feed in a process of its own, which ends when it takes too long or too much memory.

feedparser takes time that grows with the square of an element's attributes, and it holds the interpreter
while it does: in a thread, one feed could stop all others.
"""

import json
import resource
import subprocess
import sys
from dataclasses import astuple
from datetime import datetime

from crawler.discovery.source import SourceError, State
from crawler.discovery.sources.feed import Entry, entries

COMMAND = ("-m", "crawler.discovery.feed_process")

CPU_SECONDS = 60  # 8 MB of broken XML take 40

WALL_SECONDS = 180.0  # on a machine that has much else to do

MEMORY = 2 * 1024**3  # bytes; a feed of 8 MB takes 300 MB


def read_apart(body: bytes) -> list[Entry]:
    """The entries of a feed; raises Trouble when this is no feed, or takes more than the bounds above."""
    command = [sys.executable, *COMMAND]
    try:
        done = subprocess.run(  # noqa: S603 - this very program
            command, input=body, capture_output=True, timeout=WALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise _too_long() from None
    if done.returncode < 0:
        raise _too_long()
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise SourceError(State.NOT_UNDERSTOOD, "reading the feed failed; it may be made to harm") from None
    if isinstance(answer, dict):
        raise SourceError(State(answer["state"]), answer["detail"])
    return [_entry(*one) for one in answer]


def _too_long() -> SourceError:
    return SourceError(
        State.NOT_UNDERSTOOD,
        f"reading the feed took over {CPU_SECONDS} s of processor time; it may be made to harm",
    )


def _entry(identity: str, link: str, title: str, published_at: str | None, content: str) -> Entry:
    instant = datetime.fromisoformat(published_at) if published_at else None
    return Entry(identity, link, title, instant, content)


def main() -> None:
    """Read a feed from standard input, write its entries as JSON."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    if sys.platform == "linux":  # elsewhere the bound of bytes alone holds
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer: object
    try:
        answer = [astuple(one) for one in entries(sys.stdin.buffer.read())]
    except SourceError as trouble:
        answer = {"state": str(trouble.state), "detail": trouble.detail}
    sys.stdout.write(json.dumps(answer, default=datetime.isoformat))  # ASCII, whatever the locale


if __name__ == "__main__":
    main()
