"""The clock: simulated only against the stand-in."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from archive.system import clock

SIMULATED = datetime(2025, 10, 6, 1, 30, tzinfo=UTC)


def test_a_simulated_instant_is_read_anew_at_each_look(tmp_path: Path) -> None:
    named = tmp_path / "now"
    environment = {"MPARCHIVE_NOW": str(named), "MPARCHIVE_LOOPBACK": "http://127.0.0.1:8000"}
    for later in (timedelta(0), timedelta(days=3)):
        named.write_text((SIMULATED + later).isoformat())
        assert clock.now(environment) == SIMULATED + later


def test_real_servers_are_asked_in_real_time_whatever_is_simulated(tmp_path: Path) -> None:
    named = tmp_path / "now"
    named.write_text(SIMULATED.isoformat())
    before = datetime.now(UTC)
    assert clock.now({"MPARCHIVE_NOW": str(named)}) >= before
    assert clock.now({}) >= before
