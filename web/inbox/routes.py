"""The inbox: POST /inbox files links, and GET /inbox is its page, for a bookmarklet or a pasted address.

The page loads nothing. The address comes in the fragment, which no server is sent and no log holds.
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
from importlib import resources
from types import MappingProxyType
from typing import Any

import structlog
from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse
from markupsafe import Markup
from sqlalchemy import Engine
from starlette.requests import ClientDisconnect

from archive.db.engine import NO_DATABASE
from archive.domain.captures import Sighted
from archive.domain.errors import first_line
from web.http_cache import NO_STORE
from web.inbox.submission import (
    BODY_SECONDS,
    DATABASE_RETRY,
    FORM,
    MAX_BODY_BYTES,
    MAX_CLIENT_UNSIGNED,
    MAX_SUBMISSIONS,
    MAX_UNSIGNED,
    SUBMISSION_WINDOW,
    ClassifiedAddresses,
    InboxError,
    body_too_long,
    body_unreadable,
    classify_addresses,
    file_sightings,
    inbox_closed,
    media_type_of,
    read_submission,
)
from web.middleware import CLIENT_KEY, RateLimiter
from web.pages.render import STYLE, PageContext, page_markup


def _policy_hash(content: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


_SCRIPT = (resources.files(__package__) / "inbox.js").read_text(encoding="utf-8")

INBOX_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src {_policy_hash(STYLE)}; script-src {_policy_hash(_SCRIPT)}; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": NO_STORE,
    "Vary": "Accept-Language",
}


def inbox_page(
    request: Request, result: str = "", status: int = 200, headers: Mapping[str, str] = MappingProxyType({})
) -> Response:
    """Answer with the page; `result` says what became of a form that was sent without JavaScript."""
    markup = page_markup(
        request,
        "inbox.html",
        inline_style=Markup(STYLE),  # noqa: S704 - our own files
        inline_script=Markup(_SCRIPT),  # noqa: S704 - as above
        closed=inbox_closed().message,
        result=result,
    )
    return HTMLResponse(markup, status, {**INBOX_HEADERS, **headers})


_PLAIN_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": NO_STORE}

_BEARER = "bearer "

_log = structlog.get_logger()


class LinkInbox:
    """The inbox of one archive; without a token it answers how to set one.

    `engine` has the rights of the web. `now` gives an aware UTC instant, `elapsed` is a monotonic clock in
    seconds.
    """

    def __init__(
        self,
        engine: Engine,
        token: str,
        now: Callable[[], datetime],
        elapsed: Callable[[], float] = time.monotonic,
    ):
        self.engine, self._token, self._now = engine, token, now
        self._unsigned: Counter[str] = Counter()  # bodies being received without a token, by client
        self._accepted = RateLimiter(MAX_SUBMISSIONS, SUBMISSION_WINDOW, elapsed)
        # Counted apart, so that whoever guesses tokens does not keep others out.
        self._wrong_tokens = RateLimiter(MAX_SUBMISSIONS, SUBMISSION_WINDOW, elapsed)

    @property
    def is_open(self) -> bool:
        """Tell whether a token is set, without which nothing is taken."""
        return bool(self._token)

    async def receive(self, request: Request) -> Response:
        """Answer one POST; neither its token nor its text is logged."""
        try:
            answer = await self._file(request)
        except InboxError as error:
            _log.info("post refused", action="inbox_refused", status=error.status, reason=str(error))
            return _refusal(request, error)
        return _answer(request, 200, answer, _summary(answer, PageContext.of(request)), {})

    async def _file(self, request: Request) -> dict[str, Any]:
        if not self._token:
            raise inbox_closed()
        token = _bearer_token(request)
        if token:  # before the body, which a client with a wrong token need not send
            self._check_token(token)
        body = await read_body(request) if token else await self._read_unsigned_body(request)
        sent = read_submission(body, media_type_of(request.headers.get("content-type", "")))
        if not token:
            self._check_token(sent.token)
        found = classify_addresses(sent, self._now())
        sighted = await run_in_threadpool(self._store, found)
        new = sum(one.is_new for one in sighted)
        refused = len(found.refused)
        _log.info("links filed", action="inbox_filed", filed=len(sighted), new=new, refused=refused)
        return _filed(found, sighted)

    async def _read_unsigned_body(self, request: Request) -> bytes:
        """Read a body that comes without a token in the header: few at once, in all and of each client."""
        client = str(request.scope.get(CLIENT_KEY, ""))
        if self._unsigned[client] >= MAX_CLIENT_UNSIGNED or self._unsigned.total() >= MAX_UNSIGNED:
            raise InboxError(503, "web.inbox.too_many_at_once", BODY_SECONDS, seconds=BODY_SECONDS)
        self._unsigned[client] += 1
        try:
            return await read_body(request)
        finally:
            self._unsigned[client] -= 1
            self._unsigned += Counter()  # remove the clients whose count is 0

    def _check_token(self, token: str) -> None:
        right = hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode())
        if wait := math.ceil((self._accepted if right else self._wrong_tokens).take()):
            raise InboxError(429, "web.inbox.too_often", wait, most=MAX_SUBMISSIONS, seconds=wait)
        if not right:
            raise InboxError(401, "web.inbox.wrong_token")

    def _store(self, found: ClassifiedAddresses) -> list[Sighted]:
        try:
            return file_sightings(self.engine, found.sightings, self._now())
        except NO_DATABASE as error:
            reason = first_line(error)
            _log.error("nothing could be filed", action="database_away", work="inbox", reason=reason)
            raise InboxError(503, "web.inbox.database_away", DATABASE_RETRY) from None


async def read_body(request: Request) -> bytes:
    """Return the body of a request. Raises InboxError for one that is too long or too slow."""
    if int(request.headers.get("content-length", 0)) > MAX_BODY_BYTES:  # the server accepts only numbers here
        raise body_too_long()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise body_too_long()
    except TimeoutError:
        raise InboxError(408, "web.inbox.too_slow", seconds=BODY_SECONDS) from None
    except ClientDisconnect:
        raise body_unreadable("web.inbox.unreadable_ended") from None
    return bytes(body)


def _bearer_token(request: Request) -> str:
    """Return the token of the header; "" for a proxy's own sign-in (Basic): then the body has it."""
    header = request.headers.get("authorization", "")
    return header[len(_BEARER) :].strip() if header.lower().startswith(_BEARER) else ""


def _filed(found: ClassifiedAddresses, sighted: list[Sighted]) -> dict[str, Any]:
    filed = [
        {"address": one.address.url, "new": known.is_new} | ({"title": one.title} if one.title else {})
        for one, known in zip(found.sightings, sighted, strict=True)
    ]
    refused = [
        {"address": one.address, "why": one.reason.text("en"), "zh": one.reason.text("zh")}
        for one in found.refused
    ]
    return {"filed": filed, "refused": refused}


def _summary(answer: Mapping[str, Any], context: PageContext) -> str:
    """Return the answer as lines of text in the reader's language."""
    reason = "zh" if context.language == "zh" else "why"
    lines = [
        f"{context.text('web.inbox.filed' if one['new'] else 'web.inbox.known')}: "
        f"{one.get('title') or one['address']}"
        for one in answer["filed"]
    ]
    return "\n".join(
        [*lines, *(f"{context.text('web.inbox.refused')}: {one[reason]}" for one in answer["refused"])]
    )


def _refusal(request: Request, error: InboxError) -> Response:
    headers = {"Retry-After": str(error.wait)} if error.wait else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    english, chinese = error.message.text("en"), error.message.text("zh")
    answer = {"error": english, "zh": chinese, **error.message.as_json()}
    summary = error.message.text(PageContext.of(request).language)
    return _answer(request, error.status, answer, summary, headers)


def _answer(
    request: Request, status: int, value: Mapping[str, Any], summary: str, headers: Mapping[str, str]
) -> Response:
    """Answer with the page to a form that was sent from it, and with JSON to everybody else."""
    is_form = media_type_of(request.headers.get("content-type", "")) == FORM
    if is_form and "text/html" in request.headers.get("accept", ""):
        return inbox_page(request, summary, status, headers)
    return JSONResponse(value, status, {**_PLAIN_HEADERS, **headers})
