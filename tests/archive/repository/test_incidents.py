"""Incidents: one row while something lasts, one alarm a beginning, one an end, and no flood."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from archive.db.models import Incident
from archive.domain.messages import Message
from archive.domain.monitoring import HealthProblem, IncidentKind, IncidentSubject
from archive.repository import accounts
from archive.repository.incidents import (
    MAX_CAPTURES,
    close_incidents_of_account,
    incidents_to_report,
    mark_reported,
    note_captures,
    open_incidents,
    recent_incidents,
    record_problems,
    unread_capture_problems,
)
from archive.repository.sources import SourceReport, record_report

NOW = datetime(2025, 11, 20, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
QUIET = HealthProblem(
    IncidentSubject(IncidentKind.QUIET, "MjM="),
    Message("scheduler.health.quiet", {"account": "合成", "last": NOW, "usual": "3 days"}),
)


def disk(megabytes: int) -> HealthProblem:
    return HealthProblem(
        IncidentSubject(IncidentKind.DISK, name="/data"),
        Message("scheduler.health.disk", {"folder": "/data", "megabytes": megabytes}),
    )


DISK = disk(100)


def test_an_incident_lasts_from_its_first_problem_to_the_first_check_without_it(db_session: Session) -> None:
    first = record_problems(db_session, [QUIET, DISK], NOW)
    again = record_problems(
        db_session,
        [
            QUIET,
            HealthProblem(DISK.subject, Message(DISK.message.code, {"folder": "/data", "megabytes": 90})),
        ],
        NOW + HOUR,
    )
    ended = record_problems(db_session, [DISK], NOW + 2 * HOUR)
    assert [one.key for one in first.opened] == [DISK.key, QUIET.key]
    assert (again.opened, again.closed) == ((), ())
    assert [one.key for one in ended.closed] == [QUIET.key]
    (left,) = open_incidents(db_session)
    assert (left.message, left.opened_at, left.last_seen_at) == (DISK.message, NOW, NOW + 2 * HOUR)
    assert [one.key for one in recent_incidents(db_session, NOW + 2 * HOUR)] == [QUIET.key, DISK.key]
    assert [one.key for one in recent_incidents(db_session, NOW + 3 * HOUR)] == [DISK.key]


def reported(session: Session, now: datetime) -> tuple[list[str], list[str]]:
    begun, ended = incidents_to_report(session, now, 6 * HOUR)
    mark_reported(session, [one.id for one in begun], [one.id for one in ended], now)
    return [one.key for one in begun], [one.key for one in ended]


def test_a_beginning_and_an_end_are_reported_once_each(db_session: Session) -> None:
    record_problems(db_session, [QUIET], NOW)
    assert reported(db_session, NOW) == ([QUIET.key], [])
    assert reported(db_session, NOW + HOUR) == ([], [])
    record_problems(db_session, [], NOW + HOUR)
    assert reported(db_session, NOW + HOUR) == ([], [QUIET.key])
    assert reported(db_session, NOW + HOUR) == ([], [])


def test_what_ended_before_it_was_reported_is_never_reported(db_session: Session) -> None:
    record_problems(db_session, [QUIET], NOW)
    record_problems(db_session, [], NOW + HOUR)
    assert reported(db_session, NOW + HOUR) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [7, 45])
def test_what_flaps_raises_one_alarm_in_six_hours(db_session: Session, minutes: int) -> None:
    begun: list[datetime] = []
    for step in range(24 * 60 // minutes):
        now = NOW + step * timedelta(minutes=minutes)
        record_problems(db_session, [QUIET] if step % 2 == 0 else [], now)
        begun += [now] * len(reported(db_session, now)[0])
    assert 3 <= len(begun) <= 4
    assert all(later - earlier >= 6 * HOUR for earlier, later in pairwise(begun))


def test_what_lasts_beyond_the_pause_after_flapping_is_reported_then(db_session: Session) -> None:
    record_problems(db_session, [QUIET], NOW)
    reported(db_session, NOW)
    record_problems(db_session, [], NOW + HOUR)
    reported(db_session, NOW + HOUR)
    record_problems(db_session, [QUIET], NOW + 2 * HOUR)
    assert reported(db_session, NOW + 2 * HOUR) == ([], [])
    assert reported(db_session, NOW + 6 * HOUR) == ([QUIET.key], [])


def test_an_incident_is_stored_by_code_and_read_back_in_any_language(db_session: Session) -> None:
    record_problems(db_session, [QUIET], NOW)
    db_session.expire_all()
    (row,) = open_incidents(db_session)
    assert (row.code, row.message) == (QUIET.message.code, QUIET.message)
    assert row.message.text("zh").startswith("合成 自 2025-11-20 12:00 起未发布文章")
    assert row.remedy_message.text("zh").startswith("请在微信中查看该公众号")
    assert row.words == str(QUIET.message)


def test_a_sentence_of_an_earlier_version_stays_as_it_is() -> None:
    row = Incident(code="archive.verbatim", params={"text": "no post for 5 days", "remedy": "look there"})
    assert (row.words, row.remedy) == ("no post for 5 days", "look there")
    assert row.remedy_message.text("zh") == "look there"


def of_source(name: str = "album:1") -> HealthProblem:
    subject = IncidentSubject(IncidentKind.SOURCE, "MjM=", name)
    return HealthProblem(subject, Message("scheduler.health.source.refused", {"source": name}))


def stored(session: Session) -> list[tuple[bool, bool, str, str]]:
    """Return of all incidents whether they name a row of an account and of a source, subject and key."""
    session.expire_all()
    rows = session.scalars(select(Incident).order_by(Incident.id))
    return [(row.account_id is not None, row.source_id is not None, row.subject, row.key) for row in rows]


def test_an_incident_gets_the_rows_that_are_stored_after_it_began_and_stays_one(db_session: Session) -> None:
    key = "source:MjM=:album:1"
    record_problems(db_session, [of_source()], NOW)
    assert stored(db_session) == [(False, False, "MjM=:album:1", key)]
    accounts.account_id(db_session, "MjM=")
    record_problems(db_session, [of_source()], NOW)
    assert stored(db_session) == [(True, False, "album:1", key)]
    record_report(db_session, None, SourceReport("MjM=", "album:1", "refused", False), NOW)
    again = record_problems(db_session, [of_source()], NOW + HOUR)
    assert ((again.opened, again.closed), stored(db_session)) == (((), ()), [(True, True, "", key)])


def test_two_sources_of_one_account_have_an_incident_each(db_session: Session) -> None:
    for name in ("album:1", "feed:x"):
        record_report(db_session, None, SourceReport("MjM=", name, "refused", False), NOW)
    opened = record_problems(db_session, [of_source(), of_source("feed:x")], NOW).opened
    assert [one.key for one in opened] == ["source:MjM=:album:1", "source:MjM=:feed:x"]


def test_incidents_of_a_removed_account_end_and_keep_the_names_of_its_sources(db_session: Session) -> None:
    record_report(db_session, None, SourceReport("MjM=", "album:1", "refused", False), NOW)
    record_problems(db_session, [of_source(), DISK], NOW)
    close_incidents_of_account(db_session, accounts.account_id(db_session, "MjM="), NOW)
    db_session.execute(text("DELETE FROM sources"))
    assert [row[3] for row in stored(db_session)] == [DISK.key, "source:MjM=:album:1"]
    assert [one.key for one in open_incidents(db_session)] == [DISK.key]


def test_captures_beyond_the_first_share_one_incident(db_session: Session) -> None:
    reasons = {number: "合成" for number in range(1, MAX_CAPTURES + 3)}
    note_captures(db_session, reasons, [], NOW)
    found = [one.key for one in open_incidents(db_session)]
    assert (len(found), "capture:more" in found, "capture:1" in found) == (MAX_CAPTURES + 1, True, True)
    assert record_problems(db_session, unread_capture_problems(db_session), NOW).closed == ()
