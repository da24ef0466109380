"""The protocol of a source: it yields requests, is sent replies, and returns the posts it lists. No I/O."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import reduce
from pathlib import Path
from typing import Any, Protocol

import structlog

from archive.domain.errors import MessageError
from archive.domain.messages import Message

ETAG, MODIFIED = "etag", "modified"  # keys of a memory: with these a server may answer "not modified"

MAX_FETCHES = 100  # requests of one run of a source; the sources' own bounds are lower

logger = structlog.get_logger("crawler")


@dataclass(frozen=True, slots=True)
class PageVisit:
    """A page that is opened in a browser profile to see one of the responses that the page itself receives.

    `profile`: the folder of the profile; `response_path`: the path of the wanted response; `hold` keeps the
    profile for this process while it is open, and raises a MessageError where another has it; `save_cookies`
    is given the cookies that the profile has for the page's host afterwards, `cookies` are those it needs.
    """

    profile: Path
    response_path: str
    hold: Callable[[], AbstractContextManager[None]]
    save_cookies: Callable[[Mapping[str, str]], None]
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Fetch:
    """A request that a source wants to be sent.

    `secret`: address, headers and body are never logged, recorded or stored. `follow`: whether a redirect on
    the same host is followed; otherwise the redirect itself is the reply. `wait`: seconds before it is sent.
    `retry`: whether it is sent again when the connection or the server fails.
    `visit`: how a browser opens the address; the reply is then the wanted response, else the page's own.
    """

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    secret: bool = field(default=False)
    follow: bool = True
    wait: float = 0.0
    retry: bool = True
    visit: PageVisit | None = None

    def __repr__(self) -> str:
        """Return method and address, without anything that may be secret."""
        return (
            f"<Fetch {self.method} {self.url.partition('?')[0] if not self.secret else 'a secret address'}>"
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """The response to a Fetch, unpacked. `error` says why there is none; it holds no secrets."""

    status: int = 0
    url: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: Message | None = None

    def header(self, name: str) -> str:
        """Return the first value of a header, given in lower case; empty when there is none."""
        return next((value for known, value in self.headers if known.lower() == name), "")


class State(StrEnum):
    """The state of a source after a run."""

    OK = "ok"
    PARTLY = "partly"
    NEWEST_ONLY = "newest_only"
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
        """Tell whether the source works."""
        return self in (State.OK, State.PARTLY, State.NEWEST_ONLY, State.UNCHANGED)

    @property
    def remedy(self) -> Message | None:
        """Return what a person can do about it; None where nothing needs doing."""
        return None if self.good else Message(f"crawler.source.remedy.{self}")


@dataclass(frozen=True, slots=True)
class ListedPost:
    """A post as a source lists it. `published_at` is an aware UTC instant.

    `aside`: found in the text of an entry, not as the entry itself. `listing`: what is stored of the entry.
    """

    url: str
    title: str = ""
    published_at: datetime | None = None
    listing: dict[str, Any] = field(default_factory=dict)
    aside: bool = False


@dataclass(frozen=True)
class SourceFindings:
    """The result of one run of a source.

    `newest` is the latest publication listed, an aware UTC instant. `memory` holds JSON values that the
    source is given at its next run. `announced` are posts that it names without an address. `remedy` says
    what to do where the state's own remedy does not fit.
    """

    state: State
    detail: Message | None = None
    posts: tuple[ListedPost, ...] = ()
    newest: datetime | None = None
    memory: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[Message, ...] = ()
    announced: tuple[ListedPost, ...] = ()
    remedy: Message | None = None

    @property
    def advice(self) -> Message | None:
        """Return what to do; None when nothing."""
        return _joined([self.remedy or self.state.remedy, *self.warnings])

    @property
    def summary(self) -> Message | None:
        """Return the detail with all warnings; None when there is nothing to say."""
        return _joined([self.detail, *self.warnings])


def _joined(messages: Iterable[Message | None]) -> Message | None:
    """Return several messages as one."""
    present = [message for message in messages if message]
    if not present:
        return None
    return reduce(lambda one, other: Message("crawler.source.both", {"first": one, "second": other}), present)


Discovery = Generator[Fetch, Reply, SourceFindings]


class Source(Protocol):
    """A place that lists posts of one account.

    `name` is unique within the account (album:123, feed:rss.example/news, own_backend …); `host` is the one
    it sends requests to, empty when it sends none.
    """

    name: str
    host: str

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        """Yield requests, be sent the replies, return the findings. Raises nothing on purpose."""
        ...


class SourceError(MessageError):
    """Ends a source's run early; becomes its findings."""

    def __init__(self, state: State, code: str, **params: Any):
        super().__init__(code, **params)
        self.state = state

    def findings(
        self, posts: list[ListedPost], memory: dict[str, Any], warnings: tuple[Message, ...] = ()
    ) -> SourceFindings:
        """Return the findings of the run that it ends.

        Posts listed before the error count. The memory stays as it was, so that the next run lists the rest.
        """
        return SourceFindings(self.state, self.message, tuple(posts), newest_of(posts), memory, warnings)


def newest_of(posts: list[ListedPost]) -> datetime | None:
    """Return the latest publication among posts; None where the listing gives none."""
    return max((post.published_at for post in posts if post.published_at), default=None)


class SourceRun:
    """A source in progress. Called from one thread at a time."""

    def __init__(self, source: Source, memory: dict[str, Any], now: datetime):
        self.name = source.name
        self.host = source.host
        self._memory = memory
        self._steps = source.discover(memory, now)
        self._fetched = 0

    def step(self, reply: Reply | None = None) -> Fetch | SourceFindings:
        """Continue with the reply to the last request; returns the next request, or the findings."""
        try:
            fetch = next(self._steps) if reply is None else self._steps.send(reply)
        except StopIteration as end:
            findings: SourceFindings = end.value
            return findings
        except Exception as error:
            return self._broken(error)
        self._fetched += 1
        if self._fetched > MAX_FETCHES:
            return self.end(State.NOT_UNDERSTOOD, Message("crawler.source.too_many", {"limit": MAX_FETCHES}))
        return fetch

    def end(self, state: State, detail: Message) -> SourceFindings:
        """End it from outside, for a reason; its memory stays as it was."""
        self._steps.close()
        return SourceFindings(state, detail, memory=self._memory)

    def _broken(self, error: Exception) -> SourceFindings:
        """Turn an error of our own code into findings. Its text is left out, as it may quote a secret."""
        trace = error.__traceback__
        while trace and trace.tb_next:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
        name = type(error).__name__
        logger.error("source broken", action="source_broken", source=self.name, error=name, where=where)
        detail = Message("crawler.source.broken", {"error": name})
        return SourceFindings(State.NOT_UNDERSTOOD, detail, memory=self._memory)
