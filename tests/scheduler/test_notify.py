"""Alarms through apprise, to a receiver on loopback."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from archive.db.models import Incident
from scheduler.notify import MAX_ALARM_LENGTH, AlarmNotSent, alarm_body, send_alarm
from tests.month.receiver import Receiver

# The library looks for it to type the pictures of mails, before Python 3.13.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
NOW = datetime(2025, 11, 20, 4, tzinfo=UTC)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def incident(folder: str, closed: datetime | None = None) -> Incident:
    params = {"folder": folder, "megabytes": 5}
    return Incident(
        kind="disk",
        subject=folder,
        code="scheduler.health.disk",
        params=params,
        opened_at=NOW,
        last_seen_at=NOW,
        closed_at=closed,
    )


@pytest.mark.slow
def test_one_message_says_what_began_with_the_remedy_and_what_is_over(receiver: Receiver) -> None:
    send_alarm(f"# whom\n{receiver.address}\n", [incident("/data")], [incident("/media", NOW)], "en")
    (message,) = receiver.messages
    assert message["title"] == "mparchive: 1 new, 1 over"
    assert message["message"].splitlines() == [
        "/data has 5 MB left.",
        "→ make room: once the disk is full, nothing more can be stored;"
        " free_disk_mb in [limits] is the limit.",
        "",
        "Over since 2025-11-20 12:00: /media has 5 MB left.",
    ]


@pytest.mark.slow
def test_an_alarm_is_written_in_the_configured_language(receiver: Receiver) -> None:
    send_alarm(receiver.address, [incident("/data")], [incident("/media", NOW)], "zh")
    (message,) = receiver.messages
    assert message["title"] == "mparchive：新增 1 项、恢复 1 项"
    assert message["message"].splitlines() == [
        "/data 仅剩 5 MB。",
        "→ 请腾出空间：磁盘写满后将无法再保存任何内容；触发此警报的下限由 [limits] 的 free_disk_mb 设定。",
        "",
        "已于 2025-11-20 12:00 恢复：/media 仅剩 5 MB。",
    ]


@pytest.mark.parametrize(
    ("addresses", "code"),
    [
        ("", "address_count"),
        ("# nobody\n", "address_count"),
        ("no-such-service-secret1", "no_known_address"),
        ("json://127.0.0.1:9/secret1", "no_address_took_it"),
    ],
)
def test_what_cannot_be_sent_is_said_without_the_address(addresses: str, code: str) -> None:
    with pytest.raises(AlarmNotSent) as raised:
        send_alarm(addresses, [incident("x")], [])
    assert raised.value.message.code == f"scheduler.alarm.{code}"
    assert "secret1" not in str(raised.value)


def test_a_message_about_very_much_is_cut() -> None:
    assert len(alarm_body([incident("x" * 500)] * 50, [], "en")) <= MAX_ALARM_LENGTH + 2
