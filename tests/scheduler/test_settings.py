"""What the environment says to the daemon."""

import pytest

from crawler.media.settings import SettingError
from scheduler.config import SchedulerSettings


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("9108", ("127.0.0.1", 9108)),
        ("0.0.0.0:9108", ("0.0.0.0", 9108)),
        ("[::1]:9108", ("::1", 9108)),
        ("metrics.local:80", ("metrics.local", 80)),
        ("", None),
    ],
)
def test_metrics_are_served_on_loopback_unless_a_host_is_named(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: tuple[str, int] | None
) -> None:
    monkeypatch.setenv("MPARCHIVE_METRICS", value)
    assert SchedulerSettings.read().metrics_at == expected


def test_without_a_name_all_machines_are_taken_to_share_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SchedulerSettings.read().egress == "default"
    monkeypatch.setenv("MPARCHIVE_EGRESS", "office-2")
    assert SchedulerSettings.read().egress == "office-2"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("EGRESS", "a b", "MPARCHIVE_EGRESS is 'a b'; a name was expected"),
        ("METRICS", "often", "MPARCHIVE_METRICS is 'often'; a port or host:port was expected"),
        ("METRICS", "99999", "MPARCHIVE_METRICS is '99999'; a port or host:port was expected"),
        ("METRICS", "localhost:65536", "a port or host:port was expected"),
        ("METRICS", "http://x:1", "a port or host:port was expected"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"MPARCHIVE_{name}", value)
    with pytest.raises(SettingError, match=said):
        SchedulerSettings.read()
