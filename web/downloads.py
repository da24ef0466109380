"""Downloads of the posts that a filter selects, as tables: /downloads/posts.* and /api/v1/posts.*.

A file is written to the temporary folder first, and sent from there. How many posts one has, and how many are
written or sent at once, is bounded.
"""

import threading
from collections.abc import Callable
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session
from starlette.types import Receive, Scope, Send

from archive.db.engine import Readers
from archive.domain.errors import ArchiveError
from archive.domain.messages import Message
from archive.domain.text import storable
from archive.export.records import write_csv, write_jsonl
from archive.export.sqlite import write_sqlite
from archive.export.xlsx import write_xlsx
from archive.repository.post_queries import PostFilter, count_at_most, records
from archive.search.lookup import MAX_POST_NAME, with_query
from web.errors import PROBLEMS, ErrorResponder
from web.middleware import CLIENT_KEY
from web.pages.render import OptionalKind, OptionalMark, OptionalName, OptionalSince, OptionalUntil
from web.spooling import SpooledBody, SpooledResponse

MAX_DOWNLOAD_POSTS = (
    5000  # posts of 3,000 characters are 160 MB of SQLite, made in 20 s; `export` has no limit
)

MAX_DOWNLOADS = 4  # written or sent at once, each of another client: 640 MB of temporary files

_RETRY = {"Retry-After": "30"}  # seconds; most downloads take less

_Write = Callable[[Session, PostFilter, BinaryIO], int]

FORMATS: dict[str, tuple[str, _Write]] = {
    "csv": ("text/csv; charset=utf-8", lambda session, chosen, out: write_csv(records(session, chosen), out)),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", write_xlsx),
    "jsonl": ("application/jsonl", lambda session, chosen, out: write_jsonl(records(session, chosen), out)),
    "sqlite": ("application/vnd.sqlite3", write_sqlite),
}

Words = Annotated[str, Query(max_length=MAX_POST_NAME, description="Only posts that a search finds")]


class DownloadTooLarge(ArchiveError):
    """A filter selects more posts than a download has."""


class ClientDownloads:
    """The clients that a download is written for or sent to, each once, at most MAX_DOWNLOADS."""

    def __init__(self) -> None:
        self._clients: set[str] = set()
        self._lock = threading.Lock()

    def begin(self, client: str) -> Message | None:
        """Count a client; return why it has to wait, if it has."""
        with self._lock:
            if client in self._clients:
                return Message("web.download.one_at_a_time")
            if len(self._clients) >= MAX_DOWNLOADS:
                return Message("web.request.busy")
            self._clients.add(client)
            return None

    def end(self, client: str) -> None:
        """Count a client no longer."""
        with self._lock:
            self._clients.discard(client)


class _Download(SpooledResponse):
    """Sends a file, then counts its client no longer."""

    def __init__(self, body: SpooledBody, headers: dict[str, str], media_type: str, end: Callable[[], None]):
        super().__init__(body, headers, media_type)
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head and the body."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._end()


def downloads_router(readers: Readers, respond: ErrorResponder) -> APIRouter:
    """Return the downloads in each format, for people and below the API; `respond` writes a refusal."""
    router, clients = APIRouter(), ClientDownloads()
    for ending, (media_type, _) in FORMATS.items():
        download = _endpoint(readers, respond, clients, ending)
        router.add_api_route(
            f"/downloads/posts.{ending}", download, methods=["GET", "HEAD"], include_in_schema=False
        )
        router.add_api_route(
            f"/api/v1/posts.{ending}",
            download,
            methods=["GET"],
            tags=["api"],
            operation_id=f"download_{ending}",
            summary=f"The posts of a filter as a file, at most {MAX_DOWNLOAD_POSTS} ({ending})",
            response_class=Response,
            responses={**PROBLEMS, 200: {"content": {media_type: {"schema": {"type": "string"}}}}},
        )
    return router


def _endpoint(
    readers: Readers, respond: ErrorResponder, clients: ClientDownloads, ending: str
) -> Callable[..., Response]:
    def download(  # noqa: PLR0913, PLR0917 - a filter is an argument
        request: Request,
        q: Words = "",
        account: OptionalName = None,
        kind: OptionalKind = None,
        since: OptionalSince = None,
        until: OptionalUntil = None,
        mark: OptionalMark = None,
    ) -> Response:
        client = str(request.scope.get(CLIENT_KEY, ""))
        if refusal := clients.begin(client):
            status = 503 if refusal.code == "web.request.busy" else 429
            return respond(request, status, refusal, _RETRY)
        try:
            with readers.session() as session:
                chosen = PostFilter(account, kind, since, until, mark)
                body = _written(session, with_query(session, storable(q.strip()), chosen), ending)
        except BaseException:
            clients.end(client)
            raise
        headers = {
            "Content-Disposition": f'attachment; filename="posts.{ending}"',
            "Cache-Control": "private, no-cache",
            "ETag": body.entity_tag,
            "X-Content-Type-Options": "nosniff",
        }
        return _Download(body, headers, FORMATS[ending][0], lambda: clients.end(client))

    return download


def _written(session: Session, chosen: PostFilter, ending: str) -> SpooledBody:
    """Write the posts of a filter. Raises DownloadTooLarge."""
    if count_at_most(session, chosen, MAX_DOWNLOAD_POSTS + 1) > MAX_DOWNLOAD_POSTS:
        raise DownloadTooLarge("web.download.too_many", limit=MAX_DOWNLOAD_POSTS)
    write = FORMATS[ending][1]
    return SpooledBody(lambda out: write(session, chosen, out))
