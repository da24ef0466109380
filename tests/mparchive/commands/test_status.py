"""The status as a person and as a script reads it."""

import json

import pytest
from sqlalchemy import Engine, delete

from archive.db.engine import transaction
from archive.db.models import Source
from archive.domain.messages import Message
from archive.domain.monitoring import HealthProblem, IncidentKind, IncidentSubject
from archive.domain.outcomes import MediumOutcome
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.captures import store_captures
from archive.repository.incidents import record_problems
from archive.repository.media import due_media, record_media_failure, store_file
from archive.repository.sources import SourceReport, record_report
from archive.system import clock
from mparchive.commands.status import status
from tests.archive.making import BIZ, NOW, article, capture, image, kept_file, record, video
from tests.mparchive.commands.conftest import Run


def test_the_status_tells_of_media_by_type(
    engine: Engine,
    fresh_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", fresh_database_url)
    status(as_json=False)
    assert "stored" not in capsys.readouterr().out
    with transaction(engine) as session:
        (id_,) = store_captures(session, None, [(None, capture())])
        media = (*(image(name) for name in "abc"), video(hours=-1))
        store_parse_results(session, None, [(id_, article(record(), media=media))], NOW, 1)
        first, second, _ = due_media(session, NOW, 3, types=["image"])
        store_file(session, first.id, kept_file(b"x" * 1_500_000), NOW)
        for _ in range(3):
            record_media_failure(session, second.id, MediumOutcome.REFUSED, "text/html", NOW)
    status(as_json=False)
    told = capsys.readouterr().out
    assert "image     1 of 3 stored (1.5 MB), 1 due, 1 given up" in told
    assert "video     0 of 1 stored (0.0 MB), 1 given up" in told
    status(as_json=True)
    assert json.loads(capsys.readouterr().out)["media"] == {
        "image": {"known": 3, "kept": 1, "due": 1, "waiting": 0, "given_up": 1, "bytes": 1_500_000},
        "video": {"known": 1, "kept": 0, "due": 0, "waiting": 0, "given_up": 1, "bytes": 0},
    }


def test_an_empty_archive_says_that_there_is_nothing_yet(mparchive: Run) -> None:
    for command in ("status", "audit"):
        ended = mparchive(command)
        assert ended.code == 0
        assert "the archive holds no posts yet; `mparchive backfill` imports them" in ended.out
        assert "no gaps" not in ended.out
    assert json.loads(mparchive("audit", "--json").out)["empty"] is True


def test_an_account_that_nothing_watches_is_named_with_the_remedy(mparchive: Run, engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record()], "dump", NOW)
    shown = " ".join(mparchive("status").out.split())
    assert "2026-03-01 not watched" in shown
    assert "示例账号 is not watched: no source lists its new posts; switch on a source" in shown
    as_json = json.loads(mparchive("status", "--json").out)
    assert [one["watched"] for one in as_json["accounts"]] == [False]
    (unwatched,) = as_json["not_watched"]
    assert (unwatched["biz"], "`feeds`" in unwatched["remedy"]) == (BIZ, True)
    assert json.loads(mparchive("audit", "--json").out)["empty"] is False


def test_the_check_says_in_one_line_and_by_its_exit_code_what_is_wrong(
    mparchive: Run, engine: Engine
) -> None:
    well = mparchive("status", "--check")
    assert (well.code, well.out) == (0, "OK: nothing is wrong; 0 posts are archived\n")
    assert mparchive("status", "--check", "--quiet").out == ""
    with transaction(engine) as session:
        import_records(session, None, [record()], "dump", NOW)
        record_report(session, None, SourceReport(BIZ, "album:1", "ok", good=True), clock.now())
        problem = Message("scheduler.health.disk", {"folder": "/data", "megabytes": 1, "least": 2})
        record_problems(
            session, [HealthProblem(IncidentSubject(IncidentKind.DISK, name="/data"), problem)], NOW
        )
    warned = mparchive("status", "--check", "--quiet")
    assert warned.code == 1
    assert warned.out.startswith("WARNING: ")
    assert warned.out.count("\n") == 1
    with transaction(engine) as session:
        session.execute(delete(Source))
    unwatched = mparchive("status", "--check")
    assert unwatched.code == 2
    assert unwatched.out.startswith("CRITICAL: 示例账号 is not watched")


def test_the_check_of_a_database_that_is_away_is_critical(
    mparchive: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    ended = mparchive("status", "--check", "--quiet")
    assert ended.code == 2
    assert ended.out.startswith("CRITICAL: ")


def test_options_of_the_check_that_contradict_each_other_are_refused(mparchive: Run) -> None:
    assert mparchive("status", "--check", "--json").code == 2
    assert mparchive("status", "--quiet").code == 2
