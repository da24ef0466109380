"""The daemon's backup: due once a day or every so many hours, made by the real command, never missed."""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from scheduler.config import BackupConfig, Config
from scheduler.daemon import CurrentConfig, JobPlanner
from scheduler.jobs.backup import last_due, plan_backup, run_backup
from scheduler.jobs.base import CrawlFailed, Interrupted, JobContext, JobFailed
from scheduler.polling import TIMETABLE, Work
from scheduler.queue import open_queue, queue_of


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def context(engine: Engine, interrupt: threading.Event | None = None) -> JobContext:
    return JobContext(engine, "home", interrupt or threading.Event())


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-03-01T19:29:59+00:00", "2026-03-01T03:30:00+08:00"),
        ("2026-03-01T19:30:00+00:00", "2026-03-02T03:30:00+08:00"),
        ("2026-03-02T23:59:00+08:00", "2026-03-02T03:30:00+08:00"),
        ("2026-03-02T00:00:00+08:00", "2026-03-01T03:30:00+08:00"),
    ],
)
def test_a_backup_is_due_at_its_time_of_day_in_shanghai(now: str, due: str) -> None:
    assert last_due(BackupConfig(to="/backups"), at(now)) == at(due)


def test_or_every_so_many_hours() -> None:
    config = BackupConfig(to="/backups", every_hours=6)
    assert last_due(config, at("2026-03-02T11:59:59+00:00")) == at("2026-03-02T06:00:00+00:00")
    assert last_due(config, at("2026-03-02T12:00:00+00:00")) == at("2026-03-02T12:00:00+00:00")


def test_nothing_is_planned_without_the_table() -> None:
    assert plan_backup(None, datetime.now(UTC)) == []
    (job,) = plan_backup(BackupConfig(to="/backups"), at("2026-03-02T12:00:00+08:00"))
    assert (job.subject, job.tick) == ("/backups", at("2026-03-02T03:30:00+08:00").timestamp())


def test_each_due_backup_is_deferred_once_also_by_a_daemon_that_was_off(
    configured: Callable[[str], Config], engine: Engine, tmp_path: Path
) -> None:
    configured('[backup]\nto = "backups"')
    now = at("2026-03-02T12:00:00+08:00")
    (entry,) = (entry for entry in TIMETABLE if entry.work is Work.BACKUP)
    assert entry.grace >= timedelta(days=1)

    context = JobContext(engine, "home", threading.Event(), lambda: now)

    async def ticks() -> list[int]:
        nonlocal now
        deferred = []
        for _ in range(2):
            planner = JobPlanner(context, CurrentConfig(tmp_path / "mparchive.toml"))
            app = queue_of(engine.url, dict.fromkeys(Work, lambda: None))
            async with open_queue(app):
                for _ in range(2):
                    deferred.append(await planner.tick(app, entry))
                    now += timedelta(minutes=1)
                with engine.begin() as connection:  # as if it had been done
                    connection.execute(text("SET LOCAL search_path TO jobs"))
                    connection.execute(text("DELETE FROM jobs.procrastinate_jobs"))
            now += timedelta(hours=40)
        return deferred

    assert asyncio.run(ticks()) == [1, 0, 1, 0]


def test_a_backup_is_made_by_the_command_and_recorded_as_a_run(
    engine: Engine, environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = BackupConfig(to=str(tmp_path / "place"), keep="7d")
    run_backup(context(engine), config)
    said = capsys.readouterr().out
    assert "action=backup_made" in said
    assert "code=0" in said
    assert len(list((tmp_path / "place" / "backups").iterdir())) == 1
    with engine.connect() as connection:
        (arguments,) = connection.execute(
            text("SELECT arguments FROM runs WHERE command = 'backup'")
        ).scalars()
    assert arguments["to"] == str(tmp_path / "place")
    run_backup(context(engine), None)


def test_a_backup_that_fails_says_why_and_is_tried_again_by_the_queue(
    engine: Engine, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "notes.txt").write_text("precious")
    with pytest.raises(JobFailed, match=r"there is no backup to .*: .* holds something else than backups"):
        run_backup(context(engine), BackupConfig(to=str(tmp_path / "place")))


def test_a_damaged_place_is_not_tried_again(
    engine: Engine, environment: dict[str, str], tmp_path: Path
) -> None:
    config = BackupConfig(to=str(tmp_path / "place"), keep="7d")
    run_backup(context(engine), config)
    (manifest,) = (tmp_path / "place" / "backups").iterdir()
    manifest.write_bytes(b"damaged")
    with pytest.raises(CrawlFailed, match=r"was made, but something is damaged: .* so nothing was removed"):
        run_backup(context(engine), config)
    assert len(list((tmp_path / "place" / "backups").iterdir())) == 2


def test_a_worker_that_stops_ends_the_command(
    engine: Engine, environment: dict[str, str], tmp_path: Path
) -> None:
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(Interrupted):
        run_backup(context(engine, stopping), BackupConfig(to=str(tmp_path / "place")))
    assert not (tmp_path / "place" / "backups").exists()
