"""Incidents end to end: found, noted, sent through apprise to a receiver on loopback, and their end too."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.models import Incident
from archive.repository import egress
from archive.repository.incidents import open_incidents
from archive.repository.sources import SourceReport, record_report
from crawler.discovery.source import State
from scheduler.config import Config
from scheduler.job_context import JobContext
from scheduler.jobs import report
from scheduler.notify import MAX_WORDS, NotTold, tell, words
from tests.month.receiver import Receiver
from tests.standin.account import COMMISSION

# The library looks for it to type the pictures of mails, before Python 3.13.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
NOW = datetime(2025, 11, 20, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def incident(said: str, closed: datetime | None = None) -> Incident:
    return Incident(
        key="k", words=said, remedy="do something", opened_at=NOW, last_seen_at=NOW, closed_at=closed
    )


def test_one_message_tells_what_began_with_the_remedy_and_what_is_over(receiver: Receiver) -> None:
    tell(f"# whom\n{receiver.address}\n", [incident("no post for 5 days")], [incident("a disk", NOW)])
    (message,) = receiver.messages
    assert message["title"] == "mparchive: 1 new, 1 over"
    assert message["message"].splitlines() == [
        "no post for 5 days.", "→ do something.", "", "Over since 2025-11-20 12:00: a disk.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("addresses", "said"),
    [
        ("", "0 addresses"),
        ("# nobody\n", "0 addresses"),
        ("no-such-service-secret1", "address 1 of those to tell is none"),
        ("json://127.0.0.1:9/secret1", "could not be sent"),
    ],
)
def test_what_cannot_be_sent_is_told_without_the_address(addresses: str, said: str) -> None:
    with pytest.raises(NotTold, match=said) as raised:
        tell(addresses, [incident("x")], [])
    assert "secret1" not in str(raised.value)


def test_a_message_about_very_much_is_cut() -> None:
    assert len(words([incident("x" * 500)] * 50, [])) <= MAX_WORDS + 2


class Reporting:
    """A daemon's reports, one after the other."""

    def __init__(self, engine: Engine, config: Config):
        self.engine, self.config = engine, config

    def at(self, now: datetime, problem: str = "") -> list[str]:
        """One report; the keys of what is wrong then."""
        hands = JobContext(self.engine, "home", threading.Event(), now=lambda: now)
        report.run(hands, self.config, problem)
        with transaction(self.engine) as session:
            return [one.key for one in open_incidents(session)]


@pytest.fixture
def reports(
    engine: Engine, configured: Callable[[str], Config], receiver: Receiver, tmp_path: Path,
    environment: dict[str, str],
) -> Reporting:  # fmt: skip
    (tmp_path / "urls").write_text(receiver.address)
    return Reporting(engine, configured('[alarms]\nurls_file = "urls"\n[limits]\nfree_disk_mb = 100\n'))


def try_source(session: Session, state: State, now: datetime) -> None:
    record_report(session, None, SourceReport(COMMISSION.biz, "album:1", state, state.good), now)


def test_a_source_that_fails_is_told_once_and_so_is_its_recovery(
    reports: Reporting, receiver: Receiver, engine: Engine
) -> None:
    for hours, state in enumerate((State.OK, State.CLOSED, State.CLOSED, State.OK)):
        with transaction(engine) as session:
            try_source(session, state, NOW + hours * HOUR)
        reports.at(NOW + hours * HOUR)
        reports.at(NOW + hours * HOUR + HOUR / 2)
    assert [message["title"] for message in receiver.messages] == ["mparchive: 2 new", "mparchive: 2 over"]
    assert State.CLOSED.remedy in receiver.messages[0]["message"]


def test_a_line_held_back_is_told_and_told_to_be_free_by_itself(
    reports: Reporting, receiver: Receiver, engine: Engine
) -> None:
    with transaction(engine) as session:
        egress.block_egress(session, "home", "verification", NOW)
    assert reports.at(NOW) == ["verification:home"]
    assert reports.at(NOW + HOUR) == []
    assert [message["title"] for message in receiver.messages] == ["mparchive: 1 new", "mparchive: 1 over"]


def test_a_configuration_that_is_refused_is_told(reports: Reporting, receiver: Receiver) -> None:
    assert reports.at(NOW, "mparchive.toml, line 3: it is not TOML") == ["config"]
    assert "line 3" in receiver.messages[0]["message"]


def test_an_alarm_that_could_not_be_sent_is_sent_at_the_next_report(
    reports: Reporting, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.well = False
    reports.at(NOW, "broken")
    assert "alarm_not_sent" in capsys.readouterr().out
    receiver.well = True
    reports.at(NOW + HOUR, "broken")
    reports.at(NOW + 2 * HOUR, "broken")
    assert len(receiver.messages) == 1


@pytest.mark.parametrize("broken", ["json://127.0.0.1:9/secret1", "no-such-service-secret1"])
def test_an_address_that_takes_nothing_keeps_no_other_from_being_told_once(
    reports: Reporting, receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    (tmp_path / "urls").write_text(f"{broken}\n{receiver.address}\n")
    for hours in range(3):
        reports.at(NOW + hours * HOUR, "broken")
    assert len(receiver.messages) == 1
    said = capsys.readouterr().out
    assert said.count("address 1 of those to tell took no alarm") == 1
    assert "secret1" not in said


def test_whom_to_tell_being_unknown_is_itself_an_incident(
    reports: Reporting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "urls").unlink()
    assert reports.at(NOW) == ["alarms"]
    assert "action=incident_opened" in capsys.readouterr().out


def test_an_inbox_that_is_not_there_is_told(
    reports: Reporting, configured: Callable[[str], Config], tmp_path: Path
) -> None:
    reports.config = configured('[inbox]\nfolder = "inbox"\n[limits]\nfree_disk_mb = 100\n')
    assert reports.at(NOW) == ["inbox"]
    (tmp_path / "inbox").mkdir()
    assert reports.at(NOW + HOUR) == []


def test_a_full_disk_is_told(reports: Reporting, configured: Callable[[str], Config]) -> None:
    reports.config = configured("[limits]\nfree_disk_mb = 1000000000\n")
    (key,) = reports.at(NOW)
    assert key.startswith("disk:")
