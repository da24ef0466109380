"""Alarms and why the archive is not ready: whatever the checks find is said in Chinese."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from archive.db.models import SourceRow
from archive.domain.monitoring import HealthProblem, SourceStatus
from archive.domain.outcomes import BLOCKING
from archive.reports.status import WATCHED_WITHIN, unready
from archive.repository.incidents import note_findings
from archive.repository.sources import SourceReport, record_report
from crawler.discovery.source import State
from scheduler.config import Alarms, Config
from scheduler.health import AccountVitals, Bounds, LineVitals, Vitals, findings
from scheduler.jobs.report import health_snapshot
from scheduler.timetable import Work
from tests.archive.making import BIZ, NOW
from web.locale.sentences import translated

HOUR = timedelta(hours=1)
UNSET = "SYNTHETIC_UNSET_VARIABLE"
_UNWRITABLE = "written: files are moved within it once they are taken in"


def _source(state: State, detail: str, listed_before: bool) -> SourceStatus:
    newest = NOW if listed_before else None
    return SourceStatus(
        BIZ, "合成", "album:1", state, detail, failures=9, newest_at=newest, last_tried_at=NOW - HOUR
    )


def _vitals() -> Iterator[Vitals]:
    for state in State:
        for detail in ("", "the album lists no posts"):
            for before in (False, True):
                source = _source(state, detail, before)
                yield Vitals(accounts=[AccountVitals(BIZ, "合成", NOW, sources=[source])])
    yield Vitals(accounts=[AccountVitals(BIZ, "合成", NOW - timedelta(days=20))])
    yield Vitals(held=[LineVitals("office", reason, NOW, 2) for reason in BLOCKING])
    for problem in ("read: no such file or directory", _UNWRITABLE):
        yield Vitals(inbox_problem=f"the inbox /data/inbox cannot be {problem}")
    yield Vitals(free={"/data": 5 * 2**20}, failed_jobs={work: 3 for work in Work})


def found() -> list[HealthProblem]:
    """What the checks find where everything is wrong that can be."""
    daily = [NOW - timedelta(hours=24 * number) for number in range(40, 2, -1)]
    quiet = Vitals(accounts=[AccountVitals(BIZ, "合成", daily[-1], daily)])
    soon = findings(quiet, Bounds(quiet_at_least=timedelta(hours=1)), NOW + timedelta(days=1))
    few_hours = findings(replace(quiet, accounts=[_hourly()]), Bounds(timedelta(hours=1)), NOW)
    return [*soon, *few_hours, *(one for vitals in _vitals() for one in findings(vitals, Bounds(), NOW))]


def _hourly() -> AccountVitals:
    """One that publishes all the time and has been silent for a day."""
    return AccountVitals(BIZ, "合成", NOW - 24 * HOUR, [NOW - number * HOUR for number in range(40, 23, -1)])


def sentences_of_alarms(session: Session) -> list[str]:
    """Words and remedies of all findings, and what makes the alarms' own trouble."""
    alarms = Config.model_construct(alarms=Alarms(urls_env=UNSET))
    problem = health_snapshot(session, alarms, "", NOW).alarm_problem
    troubled = findings(Vitals(config_problem=problem, alarm_problem=problem), Bounds(), NOW)
    return [sentence for one in (*found(), *troubled) for sentence in (one.words, one.remedy)]


def reasons(session: Session) -> list[str]:
    """Every way of not being ready."""
    record_report(session, None, SourceReport(BIZ, "album:1", State.OK, good=True), NOW)
    record_report(session, None, SourceReport("MzA=", "album:2", State.EMPTY, good=False), NOW)
    session.execute(
        update(SourceRow).where(SourceRow.name == "album:1").values(last_good_at=NOW - 2 * WATCHED_WITHIN)
    )
    note_findings(session, [one for one in found() if one.key.startswith(("quiet", "blind"))], NOW)
    session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    return unready(session, NOW)


def test_every_alarm_and_remedy_is_said_in_chinese(db_session: Session) -> None:
    assert {one.key.partition(":")[0] for one in found()} == {
        "blind", "disk", "inbox", "jobs", "quiet", "source", "verification",
    }  # fmt: skip
    assert [one for one in sentences_of_alarms(db_session) if translated(one) is None] == []


def test_every_reason_of_not_being_ready_is_said_in_chinese(db_session: Session) -> None:
    told = reasons(db_session)
    assert len(told) == 5
    assert [one for one in told if translated(one) is None] == []


def test_every_state_has_its_name_and_its_remedy_in_chinese() -> None:
    assert [state for state in State if translated(state) is None] == []
    assert [state.remedy for state in State if state.remedy and translated(state.remedy) is None] == []


def test_what_stands_within_an_alarm_is_said_in_chinese_too_and_outside_words_stay() -> None:
    told = translated(
        "合成: album:1 is empty, although it listed posts before "
        "(the album lists no posts 2 posts of another account left out. 1 address of no post left out.)"
    )
    assert told == (
        "合成：来源 album:1 状态异常：列表为空，而此前曾列出文章"
        "（合集没有列出文章；已略去其他公众号的 2 篇文章；已略去 1 个不是文章的链接）"
    )
    quoted = translated("合成: own_backend is not_understood (ret 99999 some words of a server's)")
    assert quoted == "合成：来源 own_backend 状态异常：无法识别（ret 99999 some words of a server's）"
