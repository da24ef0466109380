"""Incidents end to end: found, noted, sent through apprise to a receiver on loopback, and their end too."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.models import Address
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.messages import Message
from archive.repository import egress
from archive.repository.frontier import store_sightings
from archive.repository.incidents import open_incidents
from archive.repository.sources import SourceReport, record_report
from crawler.discovery.source import State
from scheduler.config import Config
from scheduler.jobs import report
from scheduler.jobs.base import JobContext
from tests.month.receiver import Receiver
from tests.scheduler.monitor import running_monitor
from tests.standin.account import COMMISSION
from tests.standin.week import WEEK

# The library looks for it to type the pictures of mails, before Python 3.13.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
NOW = datetime(2025, 11, 20, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
FEED = 'feeds = ["https://feed.example/1"]\n'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def write_secret(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


class Reporting:
    """A daemon's reports, one after the other."""

    def __init__(self, engine: Engine, config: Config):
        self.engine, self.config = engine, config

    def at(self, now: datetime, problem: str = "") -> list[str]:
        """One report; the keys of what is wrong then."""
        context = JobContext(self.engine, "home", threading.Event(), now=lambda: now)
        report.run_report(context, self.config, Message.load(problem) if problem else None)
        with transaction(self.engine) as session:
            return [one.key for one in open_incidents(session)]


@pytest.fixture
def reports(
    engine: Engine, configured: Callable[[str], Config], receiver: Receiver, tmp_path: Path,
    environment: dict[str, str],
) -> Reporting:  # fmt: skip
    write_secret(tmp_path / "urls", receiver.address)
    return Reporting(
        engine, configured(FEED + '[alarms]\nurls_file = "urls"\n[limits]\nfree_disk_mb = 100\n')
    )


def try_source(session: Session, state: State, now: datetime) -> None:
    record_report(session, None, SourceReport(COMMISSION.biz, "album:1", state, state.good), now)


def test_a_source_that_fails_is_reported_once_and_so_is_its_recovery(
    reports: Reporting, receiver: Receiver, engine: Engine
) -> None:
    for hours, state in enumerate((State.OK, State.CLOSED, State.CLOSED, State.OK)):
        with transaction(engine) as session:
            try_source(session, state, NOW + hours * HOUR)
        reports.at(NOW + hours * HOUR)
        reports.at(NOW + hours * HOUR + HOUR / 2)
    assert [message["title"] for message in receiver.messages] == ["mparchive: 2 new", "mparchive: 2 over"]
    assert "since the end of July 2026" in receiver.messages[0]["message"]


def test_an_album_that_was_met_in_posts_and_is_of_another_account_raises_no_alarm(
    reports: Reporting, engine: Engine
) -> None:
    with transaction(engine) as session:
        record_report(session, None, SourceReport(COMMISSION.biz, "feed:a", State.OK, True), NOW)
        try_source(session, State.FOREIGN, NOW)
    assert reports.at(NOW) == []
    with transaction(engine) as session:  # one that was the account's own is missed
        try_source(session, State.OK, NOW)
        try_source(session, State.REFUSED, NOW)
    assert reports.at(NOW) == [f"source:{COMMISSION.biz}:album:1"]


def test_a_challenge_of_an_address_without_chksm_raises_no_alarm(reports: Reporting, engine: Engine) -> None:
    with transaction(engine) as session:
        sighting = SightingData(parse_address(WEEK[0].bare_url), "test", NOW)
        (seen,) = store_sightings(session, None, [sighting], NOW)
        row = session.get_one(Address, seen.address_id)
        row.last_tried_at, row.last_outcome = NOW, "verification"
        egress.block_egress(session, "home", "verification", NOW + HOUR / 60)
    assert reports.at(NOW + HOUR / 30) == []
    with transaction(engine) as session:  # the next challenge is that of another page
        egress.block_egress(session, "home", "verification", NOW + 2 * HOUR)
    assert reports.at(NOW + 2 * HOUR) == ["verification:home"]


def test_an_egress_that_backs_off_is_reported_and_so_is_its_end(
    reports: Reporting, receiver: Receiver, engine: Engine
) -> None:
    with transaction(engine) as session:
        egress.block_egress(session, "home", "verification", NOW)
    assert reports.at(NOW) == ["verification:home"]
    assert reports.at(NOW + HOUR) == []
    assert [message["title"] for message in receiver.messages] == ["mparchive: 1 new", "mparchive: 1 over"]


def test_a_refused_configuration_is_reported(reports: Reporting, receiver: Receiver) -> None:
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
def test_an_address_that_takes_nothing_keeps_no_other_from_one_alarm(
    reports: Reporting, receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    write_secret(tmp_path / "urls", f"{broken}\n{receiver.address}\n")
    for hours in range(3):
        reports.at(NOW + hours * HOUR, "broken")
    assert len(receiver.messages) == 1
    said = capsys.readouterr().out
    assert said.count("address 1 took no alarm") == 1
    assert "secret1" not in said


def test_missing_alarm_addresses_are_an_incident(
    reports: Reporting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "urls").unlink()
    assert reports.at(NOW) == ["alarms"]
    assert "action=incident_opened" in capsys.readouterr().out


def test_a_missing_inbox_is_reported(
    reports: Reporting, configured: Callable[[str], Config], tmp_path: Path
) -> None:
    reports.config = configured(FEED + '[inbox]\nfolder = "inbox"\n[limits]\nfree_disk_mb = 100\n')
    assert reports.at(NOW) == ["inbox"]
    (tmp_path / "inbox").mkdir()
    assert reports.at(NOW + HOUR) == []


def test_a_full_disk_is_reported(reports: Reporting, configured: Callable[[str], Config]) -> None:
    reports.config = configured(FEED + "[limits]\nfree_disk_mb = 1000000000\n")
    (key,) = reports.at(NOW)
    assert key.startswith("disk:")


def test_an_account_without_a_source_that_lists_posts_is_reported_until_it_has_one(
    reports: Reporting, configured: Callable[[str], Config]
) -> None:
    reports.config = configured("[limits]\nfree_disk_mb = 100\n")
    assert reports.at(NOW) == [f"unwatched:{COMMISSION.biz}"]
    reports.config = configured(FEED + "[limits]\nfree_disk_mb = 100\n")
    assert reports.at(NOW + HOUR) == []


def test_every_report_pings_the_monitoring_service(
    reports: Reporting,
    configured: Callable[[str], Config],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reports.config = configured(FEED + '[ping]\nurl_file = "ping"\n[limits]\nfree_disk_mb = 100\n')
    with running_monitor() as monitor:
        write_secret(tmp_path / "ping", monitor.url)
        reports.at(NOW)
        reports.at(NOW + HOUR, "broken")
        assert [path for _, path, _ in monitor.heard] == ["/ping/secret-id", "/ping/secret-id/fail"]
        assert b"broken" in monitor.heard[1][2]
        (tmp_path / "ping").unlink()
        reports.at(NOW + 2 * HOUR)
        assert len(monitor.heard) == 2
    assert "action=ping_failed" in capsys.readouterr().out
