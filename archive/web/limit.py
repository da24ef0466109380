"""How often something may be done."""

from collections import deque
from collections.abc import Callable


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
