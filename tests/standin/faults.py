"""What can go wrong on demand, for one post or for all, and for how many requests."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

KINDS = (
    "slow",  # nothing for `seconds`, then the page
    "slow_body",  # half of the page, nothing for `seconds`, the rest
    "cut",  # half of what Content-Length promises, then the end
    "cut_chunked",  # some chunks, never the last one
    "reset",  # the connection is reset
    "error",  # `status`, with Retry-After when `retry_after` is given
    "gb18030",  # the page in GB18030, and the header says so
    "gb18030_lying",  # the page in GB18030, while header and page say UTF-8
    "bomb",  # 1 MB of gzip that unpacks to over 1 GB
    "verification",  # redirected to the challenge
    "elsewhere",  # redirected to `to`, on another host
    # of media only
    "page",  # a web page with status 200 that says it is a picture
    "script",  # an SVG with a script
    "pixels",  # a small PNG of 3,600 million pixels
    "huge",  # Content-Length says 2 GB, and so much comes
    "endless",  # as much comes without any Content-Length
)


MEDIA = "media"


@dataclass
class Fault:
    """One fault: of one post (its name, aid or token) or of every page, after some requests, some times.

    Media are struck only by name: that of the file (synthetic_…), its host, or "media" for all of them.
    """

    kind: str
    post: str | None = None
    times: int | None = None  # None: until cleared
    after: int = 0  # matching requests that go well before
    seconds: float = 0.0
    status: int = 503
    retry_after: str = ""
    to: str = "https://elsewhere.invalid/s/taken-away"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no such fault: {self.kind!r}; one of {', '.join(KINDS)}")

    def strikes(self) -> bool:
        """Count one matching request; whether this one goes wrong."""
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
            return self.times >= 0
        return True


def fault_of(raw: dict[str, Any]) -> Fault:
    """Return a fault from its JSON form. Raises ValueError for an unknown field or kind."""
    unknown = set(raw) - {one.name for one in fields(Fault)}
    if unknown:
        raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
    return Fault(**raw)


class Faults:
    """The faults in force, in the order they were asked for."""

    def __init__(self) -> None:
        self._in_force: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Put one in force."""
        self._in_force.append(fault)

    def clear(self) -> None:
        """From now on everything goes well."""
        self._in_force.clear()

    def take(self, names: Collection[str]) -> Fault | None:
        """Return the fault that applies to a request for a post of these names, if any."""
        anywhere = MEDIA not in names
        for fault in self._in_force:
            if (fault.post in names or (anywhere and fault.post is None)) and fault.strikes():
                return fault
        return None
