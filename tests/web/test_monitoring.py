"""Monitoring: liveness, readiness, metrics."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text, update

from archive.db.engine import transaction
from archive.db.models import Source
from archive.domain.messages import Message
from archive.domain.monitoring import HealthProblem, IncidentKind, IncidentSubject
from archive.ingest.pages import import_records
from archive.reports.status import WATCHED_WITHIN
from archive.repository.incidents import record_problems
from archive.repository.sources import SourceReport, record_report
from tests.archive.making import BIZ, NOW, record
from tests.web.served import Served, served

ROOT = Path(__file__).resolve().parents[2]


def reasons(web: Served, status: int = 503) -> Sequence[str]:
    answer = web.ask("GET", "/readyz")
    assert answer.status == status
    found: list[str] = answer.json["reasons"]
    return found


def test_an_empty_archive_is_ready(engine: Engine) -> None:
    with served(engine) as web:
        assert reasons(web, 200) == []


def test_an_account_that_no_source_watches_makes_the_archive_unready_with_the_remedy(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record()], "dump", NOW)
        record_report(session, None, SourceReport(BIZ, "neighbours", "ok", good=True), NOW)
    with served(engine) as web:
        (reason,) = reasons(web)
        page = web.ask("GET", "/health?lang=zh").body.decode()
    assert reason.startswith("示例账号 is not watched: no source lists its new posts; switch on a source")
    assert "示例账号 未受监测" in page


def test_a_stale_archive_is_not_ready(engine: Engine) -> None:
    with transaction(engine) as session:
        record_report(session, None, SourceReport(BIZ, "album:1", "ok", good=True), NOW)
    with served(engine) as web:
        assert reasons(web, 200) == []
        with transaction(engine) as session:
            longer_ago = NOW - WATCHED_WITHIN - timedelta(minutes=1)
            session.execute(update(Source).values(last_good_at=longer_ago))
        (stale,) = reasons(web)
        assert "no source has worked since 2026-02-28" in stale


def test_a_silent_account_makes_the_archive_unready(engine: Engine) -> None:
    with transaction(engine) as session:
        record_problems(
            session,
            [
                HealthProblem(IncidentSubject(IncidentKind.QUIET, BIZ), Message("a")),
                HealthProblem(IncidentSubject(IncidentKind.DISK, name="x"), Message("b")),
            ],
            NOW,
        )
    with served(engine) as web:
        assert reasons(web) == ["a; a.remedy"]


def test_another_schema_makes_the_archive_unready(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with served(engine) as web:
        assert "0001" in reasons(web)[0]


def test_every_metric_of_the_dashboard_is_served(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record()], "dump", NOW)
    with served(engine) as web:
        answer = web.ask("GET", "/metrics")
    families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    assert families["mparchive_up"].samples[0].value == 1
    assert families["mparchive_posts"].samples[0].value == 1
    dashboard = json.loads((ROOT / "docs" / "grafana.json").read_text(encoding="utf-8"))
    requested = {target["expr"] for panel in dashboard["panels"] for target in panel["targets"]}
    assert requested
    named = {word for expr in requested for word in expr.replace("(", " ").replace(")", " ").split()}
    assert {word.partition("{")[0] for word in named if word.startswith("mparchive_")} <= set(families)
