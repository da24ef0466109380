"""Incidents: one row while something lasts, one alarm a beginning, one an end, and no flood."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy.orm import Session

from archive.db.models import Incident
from archive.domain.messages import Message
from archive.domain.monitoring import HealthProblem, IncidentKind, IncidentSubject
from archive.repository.incidents import (
    incidents_to_report,
    mark_reported,
    open_incidents,
    recent_incidents,
    record_problems,
)

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
