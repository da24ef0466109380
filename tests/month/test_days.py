"""The short form of the simulated month (python -m bench.month): two days, every kind of trouble."""

import asyncio
from datetime import timedelta

import pytest

from tests.month.places import Places
from tests.month.result import Result, result_of
from tests.month.simulation import DAY, START, Push, Simulation
from tests.month.troubles import SHORT

PUSHES = tuple(
    Push(number, START + hours * timedelta(hours=1), posts)
    for number, (hours, posts) in enumerate(((0.0, 2), (10.0, 1), (25.4, 2)), 1)
)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    with Places(tmp_path_factory.mktemp("month"), shortest=240, default=360) as places:
        simulation = Simulation(places, PUSHES, SHORT, drain=DAY / 3)
        asyncio.run(simulation.run())
        assert places.stop_worker() == 0, (places.folder / "worker.log").read_text()
        return result_of(simulation, 2)


def test_whatever_goes_wrong_every_post_is_archived_once_and_nothing_else(result: Result) -> None:
    assert (result.published, result.found, result.archived) == (5, 5, 5)
    assert (result.duplicates, result.lost, result.false) == (0, 0, 0)
    assert (result.kills, result.restarts) == (1, 1)


def test_no_post_waits_longer_than_the_trouble_that_held_it_up(result: Result) -> None:
    assert result.longest_delay <= timedelta(hours=12)


def test_what_went_wrong_was_told_and_so_was_its_end(result: Result) -> None:
    assert {"verification:default"} <= set(result.keys)
    assert any(key.endswith(":own_backend") for key in result.keys)
    assert result.alarms_cleared == result.alarms_raised
    assert 2 <= result.messages <= 2 * result.alarms_raised
