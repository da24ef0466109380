"""This machine's line to the outside, which commands given by hand respect as the daemon does."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine

from archive import egresses
from archive.database import transaction
from archive.locks import Hosts, turn
from archive.record import SHANGHAI
from crawler import clock
from mparchive.console import say
from scheduler.settings import SchedulerSettings

KEPT = "what was given is kept, and the same command goes on then"
LONGEST_WAIT = 65 * 60.0  # seconds; a crawl of the daemon ends within an hour (limits.crawl_minutes)


@dataclass(frozen=True)
class Line:
    """The way out, or the cassette in its place; `settings` are Scrapy's."""

    engine: Engine
    settings: Mapping[str, str]

    @property
    def is_real(self) -> bool:
        """A replay asks nobody."""
        return self.settings.get("CASSETTE_MODE") != "replay"

    @contextmanager
    def turn(self, hosts: Hosts) -> Iterator[bool]:
        """Have the line to oneself for a crawl; False, which is then said, when another goes on too long."""
        if not self.is_real:
            yield True
            return
        name = SchedulerSettings.read().egress
        with turn(self.engine, name, hosts, wait=LONGEST_WAIT, on_wait=_say_that_it_waits) as mine:
            if not mine:
                say(
                    f"another crawl has gone through this line for {LONGEST_WAIT / 60:.0f} minutes: "
                    "nothing more is asked; what was given is kept, and the same command goes on when that "
                    "one has ended"
                )
            yield mine

    def is_held(self, meanwhile: str = KEPT) -> bool:
        """Whether WeChat may be asked nothing now, which is then said, with what becomes of the command."""
        if not self.is_real:
            return False
        with transaction(self.engine) as session:
            until = egresses.held_until(session, SchedulerSettings.read().egress, clock.now())
        if until:
            say(
                f"WeChat has asked this line for verification: nothing is fetched before "
                f"{until.astimezone(SHANGHAI):%H:%M} (Asia/Shanghai); {meanwhile}"
            )
        return until is not None

    def settle(self, verdict: str, fetched: int = 0) -> None:
        """Hold it back after a challenge, for all that fetch through it; free it after good pages."""
        if self.is_real:
            with transaction(self.engine) as session:
                name = SchedulerSettings.read().egress
                egresses.settle(session, name, verdict, fetched, clock.now())


def _say_that_it_waits() -> None:
    say("another crawl goes through this line; waiting for its end")
