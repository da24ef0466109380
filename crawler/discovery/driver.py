"""One try of one source: its generator, step by step, within bounds; always a Found comes of it."""

import logging
from datetime import datetime
from typing import Any

from crawler.discovery.source import Ask, Found, Reply, Source, State

MAX_ASKS = 100  # of one try; the sources' own bounds are lower
logger = logging.getLogger("crawler")


class Try:
    """A source at work. Called from one thread at a time."""

    def __init__(self, source: Source, memory: dict[str, Any], now: datetime):
        self.name = source.name
        self.host = source.host
        self._memory = memory
        self._steps = source.discover(memory, now)
        self._asked = 0

    def step(self, reply: Reply | None = None) -> Ask | Found:
        """Go on, with the reply to what was asked last; what to ask next, or the end."""
        try:
            ask = next(self._steps) if reply is None else self._steps.send(reply)
        except StopIteration as end:
            found: Found = end.value
            return found
        except Exception as error:
            return self._broken(error)
        self._asked += 1
        if self._asked > MAX_ASKS:
            return self.end(State.NOT_UNDERSTOOD, f"it wanted to ask more than {MAX_ASKS} times")
        return ask

    def end(self, state: State, detail: str) -> Found:
        """End it from outside, for a reason; what it remembers stays."""
        self._steps.close()
        return Found(state, detail, memory=self._memory)

    def _broken(self, error: Exception) -> Found:
        """A reader that fails is a fault of ours, and of this source only. Its message may quote a secret."""
        trace = error.__traceback__
        while trace and trace.tb_next:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
        logger.error("action=source_broken source=%s error=%s at=%s", self.name, type(error).__name__, where)
        return Found(
            State.NOT_UNDERSTOOD,
            f"reading its answer failed ({type(error).__name__}); please report this with the log",
            memory=self._memory,
        )
