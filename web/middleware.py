"""Admission of requests: one ASGI middleware that checks the token, the rate and how many run at once."""

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as Event

from archive.domain.messages import Message
from web.auth import Access
from web.errors import ErrorResponder
from web.pages.render import ICON_PATH, SCRIPT_PATH, STYLE_PATH

LIVE_PATH, READY_PATH = "/livez", "/readyz"


class RateLimiter:
    """Allow at most `most` events in any window of `seconds`, by a monotonic clock (seconds)."""

    def __init__(self, most: int, seconds: float, elapsed: Callable[[], float]):
        self._most, self._seconds, self._elapsed = most, seconds, elapsed
        self._taken: deque[float] = deque()

    def take(self) -> float:
        """Count one event and return 0; where the limit is reached, return the seconds until the next."""
        now = self._elapsed()
        while self._taken and now - self._taken[0] >= self._seconds:
            self._taken.popleft()
        if len(self._taken) >= self._most:
            return self._taken[0] + self._seconds - now
        self._taken.append(now)
        return 0


MAX_REQUESTS, REQUEST_WINDOW = 1200, 60.0  # of one client in so many seconds: a page shows up to 100 images

MAX_CLIENTS = 1000  # that are counted; with 1,200 instants each they take 40 MB at most

MAX_CONCURRENT = 32  # requests in progress at once; a page is made of that many images

CONCURRENCY_WAIT = 10.0  # seconds a request waits for another to end

_BUSY_RETRY = 60  # seconds

MAX_SENDING = (
    64  # answers that clients are receiving: a temporary file each, of 13 MB at most with usual posts
)

SEND_SECONDS = 600.0  # for a client to receive an answer: 13 MB at 22 kB/s

CLIENT_KEY = "mparchive.client"  # of an ASGI scope: the client's address, as a trusted proxy names it

INBOX_PATH = "/inbox"

_WITHOUT_LIMIT = frozenset({LIVE_PATH, READY_PATH})  # asked by monitors, which have no token

_WITHOUT_TOKEN = frozenset(
    {INBOX_PATH, STYLE_PATH, SCRIPT_PATH, ICON_PATH}
)  # the inbox has its own; refusals need the others


class AdmissionMiddleware:
    """ASGI middleware. `elapsed` is a monotonic clock in seconds; `respond` writes a refusal."""

    def __init__(self, app: ASGIApp, access: Access, elapsed: Callable[[], float], respond: ErrorResponder):
        self._app, self._access, self._elapsed, self._respond = app, access, elapsed, respond
        self._clients: OrderedDict[str, RateLimiter] = OrderedDict()
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._sending: dict[asyncio.Timeout, None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = self._normalized(scope)
        if scope["path"] == LIVE_PATH:
            await self._app(scope, receive, send)
        elif scope["path"] not in _WITHOUT_LIMIT and not self._access.serves(Headers(scope=scope)):
            await self._misdirected(scope)(scope, receive, send)
        elif refused := self._refusal(scope):
            await refused(scope, receive, send)
        elif scope["path"] == INBOX_PATH and scope["method"] == "POST":  # it has its own limits
            await self._app(scope, receive, send)
        else:
            await self._run(scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(CONCURRENCY_WAIT):
                await self._slots.acquire()
        except TimeoutError:
            await self._busy(scope)(scope, receive, send)
            return
        slot = _Slot(self._slots, self._sending)

        async def begin(event: Event) -> None:
            if event["type"] == "http.response.start":
                slot.begin_sending()
            await send(event)

        try:
            async with slot.limit:
                await self._app(scope, receive, begin)
        except TimeoutError:
            if not slot.limit.expired():
                raise
        finally:
            slot.release()
            self._sending.pop(slot.limit, None)

    def _normalized(self, scope: Scope) -> Scope:
        """Turn HEAD into GET, whose body the server leaves out; set the client's address and its scheme."""
        scheme = self._access.scheme(_peer(scope), Headers(scope=scope), scope["scheme"])
        client = self._access.client(_peer(scope), Headers(scope=scope))
        return {
            **scope,
            CLIENT_KEY: client,
            "scheme": scheme,
            "method": "GET" if scope["method"] == "HEAD" else scope["method"],
        }

    def _refusal(self, scope: Scope) -> Response | None:
        headers, peer = Headers(scope=scope), _peer(scope)
        if scope["path"] in _WITHOUT_LIMIT:
            return None
        if wait := self.count(scope[CLIENT_KEY]):
            return self._too_many(scope, math.ceil(wait))
        if scope["path"] in _WITHOUT_TOKEN or self._access.admits(peer, headers):
            return None
        return self._token_missing(scope)

    @property
    def counted_clients(self) -> int:
        """How many clients are counted now."""
        return len(self._clients)

    def count(self, client: str) -> float:
        """Count a request of a client; return the seconds it has to wait, 0 if none."""
        limiter = self._clients.setdefault(client, RateLimiter(MAX_REQUESTS, REQUEST_WINDOW, self._elapsed))
        self._clients.move_to_end(client)
        if len(self._clients) > MAX_CLIENTS:  # forget the client that has asked for nothing for longest
            self._clients.popitem(last=False)
        return limiter.take()

    def _too_many(self, scope: Scope, wait: int) -> Response:
        message = Message("web.request.too_many", {"most": MAX_REQUESTS, "wait": wait})
        return self._respond(Request(scope), 429, message, {"Retry-After": str(wait)})

    def _busy(self, scope: Scope) -> Response:
        retry = {"Retry-After": str(_BUSY_RETRY)}
        return self._respond(Request(scope), 503, Message("web.request.busy"), retry)

    def _misdirected(self, scope: Scope) -> Response:
        return self._respond(Request(scope), 421, Message("web.request.misdirected"), {})

    def _token_missing(self, scope: Scope) -> Response:
        challenge = {"WWW-Authenticate": 'Basic realm="mparchive", charset="UTF-8"'}
        return self._respond(Request(scope), 401, Message("web.request.token_missing"), challenge)


class _Slot:
    """One of the requests in progress, until its answer begins.

    A client that receives slowly is not in the way of other requests. It has SEND_SECONDS, and where more
    than MAX_SENDING receive at once, the connection of the one that has taken longest is closed.
    """

    def __init__(self, slots: asyncio.Semaphore, sending: dict[asyncio.Timeout, None]):
        self.limit = asyncio.timeout(None)
        self._slots: asyncio.Semaphore | None = slots
        self._sending = sending

    def release(self) -> None:
        """Free the slot, once."""
        if self._slots is not None:
            self._slots.release()
            self._slots = None

    def begin_sending(self) -> None:
        """Free the slot; from now on the answer is sent."""
        self.release()
        self.limit.reschedule(asyncio.get_running_loop().time() + SEND_SECONDS)
        self._sending[self.limit] = None
        if len(self._sending) > MAX_SENDING:
            longest = next(iter(self._sending))
            del self._sending[longest]
            longest.reschedule(0)


def _peer(scope: Scope) -> str:
    return str((scope.get("client") or ("", 0))[0])
