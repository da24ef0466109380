"""Test the metrics that a scrape of the archive gives."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from archive.db.engine import transaction
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.ingest.pages import import_records
from archive.reports.metrics import ArchiveMetrics
from archive.repository.captures import store_captures
from archive.repository.egress import block_egress
from archive.repository.frontier import record_sightings
from archive.repository.runs import finish_run, start_run
from archive.repository.sources import SourceReport, record_report
from tests.archive.making import BIZ, NOW, capture, record


def samples(engine: Engine, at: timedelta = timedelta()) -> dict[tuple[str, ...], float]:
    """Collect all metrics; return the values by name and labels."""
    metrics = ArchiveMetrics(engine, lambda: NOW + at).collect()
    return {(sample.name, *sample.labels.values()): sample.value for one in metrics for sample in one.samples}


def test_a_scrape_counts_the_archive_and_shows_sources_and_egresses(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record(1), record(2)], "dump", NOW)
        record_report(session, None, SourceReport(BIZ, "album:1", "closed", good=False), NOW)
        block_egress(session, "home", "verification", NOW)
        store_captures(session, None, [(None, capture())])
    values = samples(engine)
    assert (values["mparchive_up",], values["mparchive_posts",], values["mparchive_unread",]) == (1, 2, 1)
    assert values["mparchive_source_good", BIZ, "album:1"] == 0
    assert values["mparchive_source_failures", BIZ, "album:1"] == 1
    assert values["mparchive_egress_held", "home"] == 1
    assert samples(engine, timedelta(days=1))["mparchive_egress_held", "home"] == 0


def test_a_scrape_shows_names_of_accounts_the_oldest_work_and_waiting_jobs(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record(1)], "dump", NOW)
        due_at = NOW - timedelta(hours=3)
        addresses = [
            SightingData(parse_address(f"https://mp.weixin.qq.com/s/{'k' * 21}{n}"), "list", NOW)
            for n in "12"
        ]
        record_sightings(session, None, addresses, due_at)
        record_report(session, None, SourceReport(BIZ, "album:1", "ok", good=True), due_at)
        session.execute(text("SET LOCAL search_path = public, jobs"))
        session.execute(
            text("INSERT INTO jobs.procrastinate_jobs (queue_name, task_name) VALUES ('media', 'media')")
        )
    values = samples(engine)
    assert values["mparchive_account_info", BIZ, "示例账号"] == 1
    assert values["mparchive_oldest_due_timestamp_seconds",] == due_at.timestamp()
    assert values["mparchive_source_last_good_timestamp_seconds", BIZ, "album:1"] == due_at.timestamp()
    assert values["mparchive_jobs", "media"] == 1


def test_the_last_backup_and_the_last_verification_that_passed_are_shown(engine: Engine) -> None:
    ends = [
        ("backup", "done", 1),
        ("verify", "sound", 2),
        ("verify", "not_sound", 3),
        ("backup", "failed", 4),
    ]
    assert ("mparchive_last_backup_timestamp_seconds",) not in samples(engine)
    with transaction(engine) as session:
        for command, verdict, hour in ends:
            run_id = start_run(session, command, {}, NOW)
            finish_run(session, run_id, verdict, {}, NOW + timedelta(hours=hour))
    values = samples(engine)
    assert values["mparchive_last_backup_timestamp_seconds",] == (NOW + timedelta(hours=1)).timestamp()
    assert values["mparchive_last_verified_timestamp_seconds",] == (NOW + timedelta(hours=2)).timestamp()


def test_free_space_is_shown_for_folders_that_there_are(engine: Engine, tmp_path: Path) -> None:
    folders = [tmp_path, tmp_path / "away"]
    metrics = ArchiveMetrics(engine, lambda: NOW, folders).collect()
    found = {
        sample.labels["folder"]: sample.value
        for one in metrics
        for sample in one.samples
        if sample.labels.get("folder")
    }
    assert list(found) == [str(tmp_path)]
    assert found[str(tmp_path)] > 0


def test_only_that_the_database_is_down_is_told_when_it_is() -> None:
    nowhere = create_engine("postgresql+psycopg://127.0.0.1:1/none", connect_args={"connect_timeout": 1})
    assert samples(nowhere) == {("mparchive_up",): 0}
    nowhere.dispose()
