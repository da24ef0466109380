"""Tests on the short form of the simulated month (python -m bench.month): two days, every kind of failure."""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path

from tests.month.failures import SHORT
from tests.month.machinery import Machinery
from tests.month.result import Result, result_of
from tests.month.simulation import DAY, START, Push, Simulation

PUSHES = tuple(
    Push(number, START + hours * timedelta(hours=1), posts)
    for number, (hours, posts) in enumerate(((0.0, 2), (10.0, 1), (25.4, 2)), 1)
)


# One test: the days cost as much as ten others, and parallel runs would go through them once each.
def test_every_post_is_archived_once_and_every_failure_is_reported() -> None:
    # not below pytest's own folder, which another session closes to the server's user
    with tempfile.TemporaryDirectory(prefix="mparchive-days-", ignore_cleanup_errors=True) as folder:
        result = _days(Path(folder))
    assert (result.published, result.found, result.archived) == (5, 5, 5)
    assert (result.duplicates, result.lost, result.false) == (0, 0, 0)
    assert (result.kills, result.restarts) == (1, 1)
    assert (result.edits, result.away, result.returned) == (1, 1, 1)
    assert result.pictures_kept == result.pictures > len(PUSHES), "one a push, and the covers"
    assert result.longest_delay <= timedelta(hours=12), "no post is delayed longer than its failure lasts"
    assert {"verification:default"} <= set(result.keys)
    assert any(key.endswith(":own_backend") for key in result.keys)
    assert result.alarms_cleared == result.alarms_raised
    assert 2 <= result.messages <= 2 * result.alarms_raised


def _days(folder: Path) -> Result:
    with Machinery(folder, shortest=240, default=360) as machinery:
        simulation = Simulation(machinery, PUSHES, SHORT, drain=DAY)
        asyncio.run(simulation.run())
        assert machinery.stop_worker() == 0, (machinery.folder / "worker.log").read_text()
        return result_of(simulation, 2)
