"""The inbox as a page: for a bookmarklet, and for a person with an address to paste.

It asks nobody else for anything. The address comes in the fragment, which no server is sent and no log holds.
"""

import asyncio
import hashlib
import hmac
import math
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from html import escape
from importlib import resources
from string import Template
from typing import Any

import structlog
from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.requests import ClientDisconnect

from archive.domain.captures import Sighted
from archive.domain.errors import first_line
from web.inbox.submission import (
    BODY_SECONDS,
    FORM,
    MAX_BODY,
    MOST,
    MOST_OF_ONE,
    MOST_UNSIGNED,
    WINDOW,
    InboxError,
    Sorted,
    classify_addresses,
    database_away,
    file_sightings,
    media_type_of,
    no_token_set,
    not_readable,
    read_submission,
    too_long,
    too_many_at_once,
    too_often,
    too_slow,
    wrong_token,
)
from web.middleware import Limit


def _part(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


_STYLE, _SCRIPT, _PAGE = _part("inbox.css"), _part("inbox.js"), Template(_part("inbox.html"))

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def inbox_page(said: str = "") -> str:
    """The page; `said` is what became of a form that was sent without JavaScript."""
    return _PAGE.substitute(style=_STYLE, script=_SCRIPT, said=escape(said))


CLIENT = "mparchive.client"  # key of an ASGI scope: the client's address, as a trusted proxy names it

_PLAIN = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

_BEARER = "bearer "

log = structlog.get_logger()


class Inbox:
    """The inbox of one archive; without a token it says how to set one.

    `now` is an aware UTC instant, `elapsed` a clock in seconds that only goes forward.
    """

    def __init__(
        self,
        engine: Engine,
        token: str,
        now: Callable[[], datetime],
        elapsed: Callable[[], float] = time.monotonic,
    ):
        self._engine, self._token, self._now = engine, token, now
        self._unsigned: Counter[str] = Counter()  # bodies being received, by client
        self._posts = Limit(MOST, WINDOW, elapsed)
        self._wrong_tokens = Limit(MOST, WINDOW, elapsed)  # whoever guesses shuts nobody else out

    async def receive(self, request: Request) -> Response:
        """Answer one POST; its token and its text are in no log."""
        try:
            answer = await self._file(request)
        except InboxError as refusal:
            log.info("post refused", action="inbox_refused", status=refusal.status, reason=refusal.english)
            headers = {"Retry-After": str(refusal.wait)} if refusal.wait else {}
            if refusal.status == 401:
                headers["WWW-Authenticate"] = "Bearer"
            said = {"error": refusal.english, "zh": refusal.chinese}
            return _answer(request, refusal.status, said, f"{refusal.english}\n{refusal.chinese}", headers)
        return _answer(request, 200, answer, _words(answer), {})

    async def _file(self, request: Request) -> dict[str, Any]:
        if not self._token:
            raise no_token_set()
        signed = _bearer(request)
        if signed:
            self._admit(signed)
        body = await _body(request) if signed else await self._unsigned_body(request)
        sent = read_submission(body, media_type_of(request.headers.get("content-type", "")))
        if not signed:
            self._admit(sent.token)
        found = classify_addresses(sent, self._now())
        sighted = await run_in_threadpool(self._store, found)
        new = sum(one.is_new for one in sighted)
        log.info("links filed", action="inbox_filed", filed=len(sighted), new=new, refused=len(found.refused))
        return _filed(found, sighted)

    async def _unsigned_body(self, request: Request) -> bytes:
        """The body of whoever may be anybody: few are waited for, of each client and of all."""
        client = str(request.scope.get(CLIENT, ""))
        if self._unsigned[client] >= MOST_OF_ONE or self._unsigned.total() >= MOST_UNSIGNED:
            raise too_many_at_once()
        self._unsigned[client] += 1
        try:
            return await _body(request)
        finally:
            self._unsigned[client] -= 1
            self._unsigned += Counter()  # forgets the clients of whom there are none

    def _admit(self, token: str) -> None:
        right = hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode())
        if wait := (self._posts if right else self._wrong_tokens).take():
            raise too_often(math.ceil(wait))
        if not right:
            raise wrong_token()

    def _store(self, found: Sorted) -> list[Sighted]:
        try:
            return file_sightings(self._engine, found.sightings, self._now())
        except (DBAPIError, NoConnectionFree) as error:
            reason = first_line(error)
            log.error("nothing could be filed", action="database_away", work="inbox", reason=reason)
            raise database_away() from None


async def _body(request: Request) -> bytes:
    if int(request.headers.get("content-length", 0)) > MAX_BODY:  # the server takes only numbers here
        raise too_long()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise too_long()
    except TimeoutError:
        raise too_slow() from None
    except ClientDisconnect:
        raise not_readable("it ended early") from None
    return bytes(body)


def _bearer(request: Request) -> str:
    """The token of the header; a proxy's own sign-in (Basic) leaves it to the body."""
    header = request.headers.get("authorization", "")
    return header[len(_BEARER) :].strip() if header.lower().startswith(_BEARER) else ""


def _filed(found: Sorted, sighted: list[Sighted]) -> dict[str, Any]:
    filed = [
        {"address": one.address.url, "new": known.is_new} | ({"title": one.title} if one.title else {})
        for one, known in zip(found.sightings, sighted, strict=True)
    ]
    return {"filed": filed, "refused": [{"address": one.address, "why": one.why} for one in found.refused]}


def _words(answer: Mapping[str, Any]) -> str:
    lines = [
        f"{'Filed 已收下' if one['new'] else 'Known already 已有'}: {one.get('title') or one['address']}"
        for one in answer["filed"]
    ]
    return "\n".join([*lines, *(f"Not taken 未收下: {one['why']}" for one in answer["refused"])])


def _answer(
    request: Request, status: int, value: Mapping[str, Any], words: str, headers: Mapping[str, str]
) -> Response:
    """A page for a form sent from one, JSON for everybody else."""
    is_form = media_type_of(request.headers.get("content-type", "")) == FORM
    if is_form and "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(inbox_page(words), status, {**HEADERS, **headers})
    return JSONResponse(value, status, {**_PLAIN, **headers})
