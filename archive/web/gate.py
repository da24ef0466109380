"""The gate before everything: the door, and how much one client may ask."""

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
FREE = frozenset({ALIVE, READY})  # asked by machines that have no token
_OWN_DOOR = "/inbox"  # its token is another: it writes


class Gate:
    """ASGI middleware. `elapsed` is a clock in seconds that only goes forward."""

    def __init__(self, app: ASGIApp, access: Access, elapsed: Callable[[], float]):
        self._app, self._access, self._elapsed = app, access, elapsed
        self._clients: OrderedDict[str, Limit] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or say why not."""
        refused = self._refused(scope) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)

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


def _closed() -> PlainTextResponse:
    words = (
        "The reading room wants its token: as the password (any user name), or Authorization: Bearer.\n"
        "阅览室需要口令：作为密码输入（用户名任意），或使用 Authorization: Bearer。\n"
    )
    asked = {"WWW-Authenticate": 'Basic realm="mparchive", charset="UTF-8"', "Cache-Control": "no-store"}
    return PlainTextResponse(words, 401, asked)
