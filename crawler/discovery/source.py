"""What a source is: asked nothing but for answers, it says which posts it knows and how it fares. No I/O."""

import logging
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

ETAG, MODIFIED = "etag", "modified"  # in a memory: with these a source may be told that nothing has changed


@dataclass(frozen=True, slots=True)
class Ask:
    """A request a source wants sent. `secret`: address, headers and body are never logged, recorded or kept.

    `follow`: whether a redirect on the same host is followed; otherwise it is the answer.
    """

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    secret: bool = field(default=False)
    follow: bool = True

    def __repr__(self) -> str:
        """Without what may be secret."""
        return f"<Ask {self.method} {self.url.partition('?')[0] if not self.secret else 'something secret'}>"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, unpacked. `error` says why no answer came, in words without secrets."""

    status: int = 0
    url: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: str = ""

    def header(self, name: str) -> str:
        """The first value of a header, whatever its case; empty when there is none."""
        return next((value for known, value in self.headers if known.lower() == name), "")


class State(StrEnum):
    """How a source fares."""

    OK = "ok"
    UNCHANGED = "unchanged"
    EMPTY = "empty"
    CLOSED = "closed"
    LOGIN_EXPIRED = "login_expired"
    BAD_TOKEN = "bad_token"  # noqa: S105 - a state
    REFUSED = "refused"
    RATE_LIMITED = "rate_limited"
    VERIFICATION = "verification"
    UNREACHABLE = "unreachable"
    NOT_UNDERSTOOD = "not_understood"
    FOREIGN = "foreign"
    NOT_CONFIGURED = "not_configured"

    @property
    def good(self) -> bool:
        """Whether the source did what it is for."""
        return self in (State.OK, State.UNCHANGED)

    @property
    def remedy(self) -> str:
        """What a person can do about it; empty where nothing needs doing."""
        return _REMEDIES.get(self, "")


_REMEDIES = {
    State.EMPTY: "look in a browser whether it still lists posts; if it moved, change the configuration",
    State.CLOSED: "WeChat lets nobody list this account this way any more, so waiting does not help; "
    "take own_backend out for it and use albums, feeds or the account's own login",
    State.LOGIN_EXPIRED: "sign in at mp.weixin.qq.com again and put the new cookie and token where the "
    "configuration says",
    State.BAD_TOKEN: "cookie and token are of different logins; copy both anew from one browser session",
    State.REFUSED: "put right what is named, then look with `mparchive discover` whether it is good",
    State.RATE_LIMITED: "it is asked again later by itself; if this lasts for a day, ask it less often",
    State.VERIFICATION: "everything for this line waits by itself; if this lasts for a day, use another line",
    State.UNREACHABLE: "look whether the server runs and can be reached from here",
    State.NOT_UNDERSTOOD: "open the address in a browser: it may have moved, or its form has changed",
    State.FOREIGN: "it lists another account; correct the configuration",
    State.NOT_CONFIGURED: "complete the configuration",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """A post that a source lists, as it lists it. `published_at` is an aware UTC instant.

    `aside`: found in the words of an entry, not as the entry itself.
    """

    url: str
    title: str = ""
    published_at: datetime | None = None
    listing: dict[str, Any] = field(default_factory=dict)
    aside: bool = False


@dataclass(frozen=True)
class Found:
    """What a source says at one try. `memory` is what it wants to be given at the next (JSON values)."""

    state: State
    detail: str = ""
    seen: tuple[Seen, ...] = ()
    newest: datetime | None = None
    memory: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """What to do, in words; empty when nothing."""
        return " ".join(filter(None, (self.state.remedy, *self.warnings)))


Discovery = Generator[Ask, Reply, Found]


class Source(Protocol):
    """One place where new posts of one account may be seen.

    `name` tells it from the account's others (album:123, feed:rss.example/news, own_backend …); `host` is
    the one it asks, empty when it asks none.
    """

    name: str
    host: str

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """Yield what to ask, be sent the replies, return what was found. Raises nothing on purpose."""
        ...


class SourceError(Exception):
    """What ends a source's try before its end; becomes its Found."""

    def __init__(self, state: State, detail: str):
        super().__init__(detail)
        self.state = state
        self.detail = detail

    def found(self, seen: list[Seen], memory: dict[str, Any], warnings: tuple[str, ...] = ()) -> Found:
        """What was seen before counts; the memory stays as it was, so that the rest is looked for again."""
        return Found(self.state, self.detail, tuple(seen), newest_of(seen), memory, warnings)


def newest_of(seen: list[Seen]) -> datetime | None:
    """The latest publication among posts; None where none is told."""
    return max((one.published_at for one in seen if one.published_at), default=None)


MAX_ASKS = 100  # of one try; the sources' own bounds are lower

logger = logging.getLogger("crawler")


class SourceRun:
    """A source at work. Called from one thread at a time."""

    def __init__(self, source: Source, memory: dict[str, Any], now: datetime):
        self.name = source.name
        self.host = source.host
        self._memory = memory
        self._steps = source.discover(memory, now)
        self._asked = 0

    def step(self, reply: Reply | None = None) -> Ask | Found:
        """Go on, with the reply to what was asked last; what to ask next, or the end."""
        try:
            ask = next(self._steps) if reply is None else self._steps.send(reply)
        except StopIteration as end:
            found: Found = end.value
            return found
        except Exception as error:
            return self._broken(error)
        self._asked += 1
        if self._asked > MAX_ASKS:
            return self.end(State.NOT_UNDERSTOOD, f"it wanted to ask more than {MAX_ASKS} times")
        return ask

    def end(self, state: State, detail: str) -> Found:
        """End it from outside, for a reason; what it remembers stays."""
        self._steps.close()
        return Found(state, detail, memory=self._memory)

    def _broken(self, error: Exception) -> Found:
        """A reader that fails is a fault of ours, and of this source only. Its message may quote a secret."""
        trace = error.__traceback__
        while trace and trace.tb_next:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
        logger.error("action=source_broken source=%s error=%s at=%s", self.name, type(error).__name__, where)
        return Found(
            State.NOT_UNDERSTOOD,
            f"reading its answer failed ({type(error).__name__}); please report this with the log",
            memory=self._memory,
        )
