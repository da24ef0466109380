"""A few rounds of random kills and faults; `make chaos` makes hundreds."""

import tempfile
from pathlib import Path

import pytest

from tests.chaos.disturbances import small_disk
from tests.chaos.rounds import run_rounds

ROUNDS = 4


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_archive_is_right_after_kills_and_faults_at_random() -> None:
    temporary = tempfile.TemporaryDirectory(prefix="mparchive-", ignore_cleanup_errors=True)
    with temporary as folder, small_disk(Path(folder)) as home:
        result = run_rounds(home, seed=7, rounds=ROUNDS)
    assert result.problems == []
    assert sum(result.disturbances.values()) == ROUNDS
