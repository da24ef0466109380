"""The short form of the simulated month (python -m bench.month): two days, every kind of trouble."""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path

from tests.month.places import Places
from tests.month.result import Result, result_of
from tests.month.simulation import DAY, START, Push, Simulation
from tests.month.troubles import SHORT

PUSHES = tuple(
    Push(number, START + hours * timedelta(hours=1), posts)
    for number, (hours, posts) in enumerate(((0.0, 2), (10.0, 1), (25.4, 2)), 1)
)


# One test: the days cost as much as ten others, and parallel runs would go through them once each.
def test_whatever_goes_wrong_every_post_is_archived_once_soon_and_what_went_wrong_is_told() -> None:
    # not below pytest's own folder, which another session closes to the server's user
    with tempfile.TemporaryDirectory(prefix="mparchive-days-", ignore_cleanup_errors=True) as folder:
        result = _days(Path(folder))
    assert (result.published, result.found, result.archived) == (5, 5, 5)
    assert (result.duplicates, result.lost, result.false) == (0, 0, 0)
    assert (result.kills, result.restarts) == (1, 1)
    assert (result.edits, result.away, result.returned) == (1, 1, 1)
    assert result.pictures_kept == result.pictures > len(PUSHES), "one a push, and the covers"
    assert result.longest_delay <= timedelta(hours=12), "no post waits longer than what held it up"
    assert {"verification:default"} <= set(result.keys)
    assert any(key.endswith(":own_backend") for key in result.keys)
    assert result.alarms_cleared == result.alarms_raised
    assert 2 <= result.messages <= 2 * result.alarms_raised


def _days(folder: Path) -> Result:
    with Places(folder, shortest=240, default=360) as places:
        simulation = Simulation(places, PUSHES, SHORT, drain=DAY)
        asyncio.run(simulation.run())
        assert places.stop_worker() == 0, (places.folder / "worker.log").read_text()
        return result_of(simulation, 2)
