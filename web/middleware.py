"""How often something may be done."""

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from web.auth import Access
from web.errors import Say
from web.inbox.routes import CLIENT
from web.monitoring import ALIVE, READY
from web.pages.render import ICON, STYLE


class Limit:
    """At most `most` in any `seconds`, by a clock that only goes forward (seconds)."""

    def __init__(self, most: int, seconds: float, elapsed: Callable[[], float]):
        self._most, self._seconds, self._elapsed = most, seconds, elapsed
        self._taken: deque[float] = deque()

    def take(self) -> float:
        """Take one. 0 when there was one to take, else the seconds until there is."""
        now = self._elapsed()
        while self._taken and now - self._taken[0] >= self._seconds:
            self._taken.popleft()
        if len(self._taken) >= self._most:
            return self._taken[0] + self._seconds - now
        self._taken.append(now)
        return 0


MOST, WINDOW = 1200, 60.0  # requests of one address in so many seconds: a page shows up to a hundred pictures

CLIENTS = 1000  # addresses that are counted; at 1,200 instants each, 40 MB at the worst

HANDS = 32  # requests worked on at once; a reader's page is made of that many pictures

HAND_WAIT = 10.0  # seconds for a hand that is free

INBOX = "/inbox"

FREE = frozenset({ALIVE, READY})  # asked by machines that have no token

_WITHOUT_TOKEN = frozenset({INBOX, STYLE, ICON})  # the inbox has its own; refusals are drawn with the others


class Gate:
    """ASGI middleware. `elapsed` is a clock in seconds that only goes forward; `say` writes a refusal."""

    def __init__(self, app: ASGIApp, access: Access, elapsed: Callable[[], float], say: Say):
        self._app, self._access, self._elapsed, self._say = app, access, elapsed, say
        self._clients: OrderedDict[str, Limit] = OrderedDict()
        self._hands = asyncio.Semaphore(HANDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or say why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = self._understood(scope)
        if scope["path"] == ALIVE:
            await self._app(scope, receive, send)
        elif scope["path"] not in FREE and not self._access.serves(Headers(scope=scope)):
            await self._misdirected(scope)(scope, receive, send)
        elif refused := self._refused(scope):
            await refused(scope, receive, send)
        elif scope["path"] == INBOX and scope["method"] == "POST":  # it has bounds of its own
            await self._app(scope, receive, send)
        else:
            await self._in_turn(scope, receive, send)

    async def _in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(HAND_WAIT):
                await self._hands.acquire()
        except TimeoutError:
            await self._busy(scope)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._hands.release()

    def _understood(self, scope: Scope) -> Scope:
        """HEAD is answered as GET is, and the server leaves the body out; https is what the client sees."""
        scheme = self._access.scheme(_peer(scope), Headers(scope=scope), scope["scheme"])
        client = self._access.client(_peer(scope), Headers(scope=scope))
        return {
            **scope,
            CLIENT: client,
            "scheme": scheme,
            "method": "GET" if scope["method"] == "HEAD" else scope["method"],
        }

    def _refused(self, scope: Scope) -> Response | None:
        headers, peer = Headers(scope=scope), _peer(scope)
        if scope["path"] in FREE:
            return None
        if wait := self._count(scope[CLIENT]):
            return self._too_often(scope, math.ceil(wait))
        if scope["path"] in _WITHOUT_TOKEN or self._access.admits(peer, headers):
            return None
        return self._closed(scope)

    def _count(self, client: str) -> float:
        """Take one of a client's; the seconds to wait where there is none left."""
        limit = self._clients.setdefault(client, Limit(MOST, WINDOW, self._elapsed))
        self._clients.move_to_end(client)
        if len(self._clients) > CLIENTS:  # whoever was not seen for longest begins anew
            self._clients.popitem(last=False)
        return limit.take()

    def _too_often(self, scope: Scope, wait: int) -> Response:
        again = {"Retry-After": str(wait)}
        return self._say(Request(scope), 429, f"at most {MOST} requests a minute; wait {wait} s", again)

    def _busy(self, scope: Scope) -> Response:
        again = {"Retry-After": "60"}
        return self._say(Request(scope), 503, "too many ask at once; try again in a minute", again)

    def _misdirected(self, scope: Scope) -> Response:
        return self._say(
            Request(scope),
            421,
            "this archive is not served by that name; if it should be, add it to MPARCHIVE_SERVED_HOSTS",
            {},
        )

    def _closed(self, scope: Scope) -> Response:
        return self._say(
            Request(scope),
            401,
            "give the token as the password, with any user name, or as `Authorization: Bearer`",
            {"WWW-Authenticate": 'Basic realm="mparchive", charset="UTF-8"'},
        )


def _peer(scope: Scope) -> str:
    return str((scope.get("client") or ("", 0))[0])
