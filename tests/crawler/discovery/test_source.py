from datetime import datetime
from typing import Any

from structlog.testing import capture_logs

from archive.domain.monitoring import SOURCE_STATES
from crawler.discovery.source import MAX_FETCHES, Discovery, Fetch, Reply, SourceFindings, SourceRun, State
from tests.crawler.discovery.driving import NOW


class Source:
    name = "synthetic"
    host = "rss.example"

    def __init__(self, steps: int = 1, error: Exception | None = None):
        self.steps = steps
        self.error = error

    def discover(self, memory: dict[str, Any], now: datetime) -> Discovery:
        for _ in range(self.steps):
            yield Fetch("https://rss.example/")
        if self.error:
            raise self.error
        return SourceFindings(State.OK, memory={"n": 1})


def run(source: Source) -> tuple[int, SourceFindings]:
    one = SourceRun(source, {"before": 1}, NOW)
    asked, came = 0, one.step()
    while isinstance(came, Fetch):
        asked, came = asked + 1, one.step(Reply())
    return asked, came


def test_a_source_is_driven_to_its_end() -> None:
    assert run(Source(3)) == (3, SourceFindings(State.OK, memory={"n": 1}))


def test_a_source_that_asks_without_end_is_ended() -> None:
    asked, found = run(Source(10_000))
    assert (asked, found.state, found.memory) == (MAX_FETCHES, State.NOT_UNDERSTOOD, {"before": 1})


def test_a_reader_that_breaks_ends_its_source_only_and_quotes_nothing() -> None:
    with capture_logs() as logged:
        _, found = run(Source(error=KeyError("marker-2f7c")))
    assert (found.state, found.memory) == (State.NOT_UNDERSTOOD, {"before": 1})
    assert "KeyError" in str(found.detail)
    assert "marker-2f7c" not in str(logged) + str(found)
    assert "test_source.py:" in str(logged)


def test_a_source_can_be_ended_from_outside() -> None:
    one = SourceRun(Source(), {"before": 1}, NOW)
    one.step()
    assert one.end(State.VERIFICATION, "why") == SourceFindings(
        State.VERIFICATION, "why", memory={"before": 1}
    )


def test_the_database_accepts_every_state() -> None:
    assert set(State) <= set(SOURCE_STATES)
