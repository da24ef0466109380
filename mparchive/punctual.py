"""HTTP/1.1 for clients that may be slow on purpose: whoever does not ask makes room for others."""

import asyncio
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20  # for all of a request's head; phones on bad lines take some seconds
MOST_IDLE = 1000  # connections without a request; half of all there may be


class Punctual(H11Protocol):
    """As uvicorn has it, which waits for a request's first line and headers for ever.

    Of connections without a whole request there are at most `most_idle`; one more ends the one that has been
    so for longest. A browser whose connection is ended so opens another.
    """

    seconds: float = HEAD_SECONDS
    most_idle: int = MOST_IDLE
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        """Whoever connects has to ask."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """No byte of a request gives it more time, but its last."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
        else:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Whoever was answered is idle until the next request."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._note_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for any longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def _idle(self) -> dict["Punctual", None]:
        """The server's connections without a request, the one that has been so for longest first."""
        return cast("dict[Punctual, None]", vars(self.server_state).setdefault("idle", {}))

    def _note_idle(self) -> None:
        self._idle.setdefault(self)
        if len(self._idle) > self.most_idle:
            next(iter(self._idle))._end()

    def _wait(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.seconds, self._end)
        self._note_idle()

    def _end(self) -> None:
        self._stop_waiting()
        self.timeout_keep_alive_handler()

    def _stop_waiting(self) -> None:
        self._idle.pop(self, None)
        if self._late is not None:
            self._late.cancel()
            self._late = None
