"""The gate before everything: the door, how much one client may ask, and how much is done at once."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from archive.web.access import Access
from archive.web.limit import Limit
from archive.web.operation import ALIVE, READY

MOST, WINDOW = 1200, 60.0  # requests of one address in so many seconds: a page shows up to a hundred pictures
CLIENTS = 1000  # addresses that are counted; at 1,200 instants each, 40 MB at the worst
HANDS = 32  # requests worked on at once; a reader's page is made of that many pictures
HAND_WAIT = 10.0  # seconds for a hand that is free
FREE = frozenset({ALIVE, READY})  # asked by machines that have no token
_OWN_DOOR = "/inbox"  # its token is another: it writes


class Gate:
    """ASGI middleware. `elapsed` is a clock in seconds that only goes forward."""

    def __init__(self, app: ASGIApp, access: Access, elapsed: Callable[[], float]):
        self._app, self._access, self._elapsed = app, access, elapsed
        self._clients: OrderedDict[str, Limit] = OrderedDict()
        self._hands = asyncio.Semaphore(HANDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or say why not."""
        if scope["type"] != "http" or scope["path"] == ALIVE:
            await self._app(scope, receive, send)
        elif refused := self._refused(scope):
            await refused(scope, receive, send)
        else:
            await self._in_turn(scope, receive, send)

    async def _in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(HAND_WAIT):
                await self._hands.acquire()
        except TimeoutError:
            await _busy()(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._hands.release()

    def _refused(self, scope: Scope) -> PlainTextResponse | None:
        headers, peer = Headers(scope=scope), (scope.get("client") or ("", 0))[0]
        if scope["path"] in FREE:
            return None
        if wait := self._count(self._access.client(peer, headers)):
            return _too_often(math.ceil(wait))
        if scope["path"] == _OWN_DOOR or self._access.admits(peer, headers):
            return None
        return _closed()

    def _count(self, client: str) -> float:
        """Take one of a client's; the seconds to wait where there is none left."""
        limit = self._clients.setdefault(client, Limit(MOST, WINDOW, self._elapsed))
        self._clients.move_to_end(client)
        if len(self._clients) > CLIENTS:  # whoever was not seen for longest begins anew
            self._clients.popitem(last=False)
        return limit.take()


def _too_often(wait: int) -> PlainTextResponse:
    words = (
        f"At most {MOST} requests a minute; wait {wait} s.\n每分钟最多 {MOST} 次请求；请等待 {wait} 秒。\n"
    )
    return PlainTextResponse(words, 429, {"Retry-After": str(wait), "Cache-Control": "no-store"})


def _busy() -> PlainTextResponse:
    words = "Too many ask at once; try again in a minute.\n请求过多，请稍后再试。\n"
    return PlainTextResponse(words, 503, {"Retry-After": "60", "Cache-Control": "no-store"})


def _closed() -> PlainTextResponse:
    words = (
        "The reading room wants its token: as the password (any user name), or Authorization: Bearer.\n"
        "阅览室需要口令：作为密码输入（用户名任意），或使用 Authorization: Bearer。\n"
    )
    asked = {"WWW-Authenticate": 'Basic realm="mparchive", charset="UTF-8"', "Cache-Control": "no-store"}
    return PlainTextResponse(words, 401, asked)
