"""Incidents: one row while something lasts, one alarm a beginning, one an end, and no flood."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy.orm import Session

from archive.domain.monitoring import HealthProblem
from archive.repository.incidents import mark_told, note_findings, open_incidents, recent_incidents, to_tell

NOW = datetime(2025, 11, 20, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
QUIET = HealthProblem("quiet:MjM=", "no post for 5 days", "look at the account")
DISK = HealthProblem("disk:/data", "100 MB left", "make room")


def test_an_incident_lasts_from_its_first_finding_to_the_first_look_without_it(db_session: Session) -> None:
    first = note_findings(db_session, [QUIET, DISK], NOW)
    again = note_findings(db_session, [QUIET, HealthProblem(DISK.key, "90 MB left", "make room")], NOW + HOUR)
    ended = note_findings(db_session, [DISK], NOW + 2 * HOUR)
    assert [one.key for one in first.opened] == [DISK.key, QUIET.key]
    assert (again.opened, again.closed) == ((), ())
    assert [one.key for one in ended.closed] == [QUIET.key]
    (left,) = open_incidents(db_session)
    assert (left.words, left.opened_at, left.last_seen_at) == ("100 MB left", NOW, NOW + 2 * HOUR)
    assert [one.key for one in recent_incidents(db_session, NOW + 2 * HOUR)] == [QUIET.key, DISK.key]
    assert [one.key for one in recent_incidents(db_session, NOW + 3 * HOUR)] == [DISK.key]


def told(session: Session, now: datetime) -> tuple[list[str], list[str]]:
    begun, ended = to_tell(session, now, 6 * HOUR)
    mark_told(session, [one.id for one in begun], [one.id for one in ended], now)
    return [one.key for one in begun], [one.key for one in ended]


def test_a_beginning_and_an_end_are_told_once_each(db_session: Session) -> None:
    note_findings(db_session, [QUIET], NOW)
    assert told(db_session, NOW) == ([QUIET.key], [])
    assert told(db_session, NOW + HOUR) == ([], [])
    note_findings(db_session, [], NOW + HOUR)
    assert told(db_session, NOW + HOUR) == ([], [QUIET.key])
    assert told(db_session, NOW + HOUR) == ([], [])


def test_what_ended_before_anybody_was_told_is_never_told(db_session: Session) -> None:
    note_findings(db_session, [QUIET], NOW)
    note_findings(db_session, [], NOW + HOUR)
    assert told(db_session, NOW + HOUR) == ([], [])


@pytest.mark.parametrize("minutes", [7, 45])
def test_what_flaps_raises_one_alarm_in_six_hours(db_session: Session, minutes: int) -> None:
    begun: list[datetime] = []
    for step in range(24 * 60 // minutes):
        now = NOW + step * timedelta(minutes=minutes)
        note_findings(db_session, [QUIET] if step % 2 == 0 else [], now)
        begun += [now] * len(told(db_session, now)[0])
    assert 3 <= len(begun) <= 4
    assert all(later - earlier >= 6 * HOUR for earlier, later in pairwise(begun))


def test_what_lasts_beyond_the_silence_after_flapping_is_told_then(db_session: Session) -> None:
    note_findings(db_session, [QUIET], NOW)
    told(db_session, NOW)
    note_findings(db_session, [], NOW + HOUR)
    told(db_session, NOW + HOUR)
    note_findings(db_session, [QUIET], NOW + 2 * HOUR)
    assert told(db_session, NOW + 2 * HOUR) == ([], [])
    assert told(db_session, NOW + 6 * HOUR) == ([QUIET.key], [])
