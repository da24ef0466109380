"""Answers that are written to a temporary file first, and sent from it piece by piece.

An answer of many megabytes is never in memory as a whole. The database is read before the first byte is sent,
so that a client that receives slowly occupies no connection to it, and an error can still be answered.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from tempfile import SpooledTemporaryFile
from typing import IO, BinaryIO, cast

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from web.http_cache import TAG_LENGTH

MAX_IN_MEMORY = 256 * 1024  # bytes of one answer; a longer one is in a file in the temporary folder

SENT_AT_ONCE = 64 * 1024  # bytes: what uvicorn buffers of an answer before it waits for the client


class SpooledBody:
    """The body of an answer: its size in bytes and its entity tag. Close it when it is not sent.

    The tag is weak: the body may be compressed on its way.
    """

    def __init__(self, content: Iterable[bytes] | Callable[[BinaryIO], object]):
        """Take the pieces of the body, or a function that writes it to a file that cannot seek."""
        self._file = SpooledTemporaryFile(MAX_IN_MEMORY)  # noqa: SIM115 - the response closes it
        digest = hashlib.sha256()
        target = _Digested(self._file, digest.update)
        try:
            if callable(content):
                content(cast("BinaryIO", target))
            else:
                for piece in content:
                    target.write(piece)
        except BaseException:
            self._file.close()
            raise
        self.size = self._file.tell()
        self.entity_tag = f'W/"{digest.hexdigest()[:TAG_LENGTH]}"'
        self._file.seek(0)

    def read(self) -> bytes:
        """Return the next piece, b"" at the end."""
        return self._file.read(SENT_AT_ONCE)

    def close(self) -> None:
        """Delete the temporary file."""
        self._file.close()


class _Digested:
    """Writes to a file, and passes what is written on to a digest."""

    def __init__(self, file: IO[bytes], update: Callable[[bytes], object]):
        self._file, self._update = file, update

    def write(self, piece: bytes) -> int:
        self._update(piece)
        return self._file.write(piece)

    def flush(self) -> None:
        """Do nothing: the file is read by the same process."""


class SpooledResponse(Response):
    """Sends a body, and waits for the client to receive it."""

    def __init__(self, body: SpooledBody, headers: Mapping[str, str], media_type: str):
        super().__init__(headers={**headers, "Content-Length": str(body.size)}, media_type=media_type)
        self._spooled = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head and the body; delete the temporary file however that ends."""
        try:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            while piece := await run_in_threadpool(self._spooled.read):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._spooled.close()
