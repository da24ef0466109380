"""What `mparchive status` says of sources, incidents and lines."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.domain.messages import Message
from archive.domain.monitoring import HealthProblem, IncidentKind, IncidentSubject
from archive.repository import egress
from archive.repository.incidents import record_problems
from archive.repository.sources import SourceReport, record_report
from mparchive.commands.status import status

BIZ = "Mzk5OTAwMDAwMQ=="


@pytest.fixture
def troubled(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fill an archive with a closed source, its incident, and a blocked egress."""
    now = datetime.now(UTC)
    with transaction(engine) as session:
        record_report(
            session, None, SourceReport(BIZ, "own_backend", "closed", good=False, detail="200013"), now
        )
        closed = Message("archive.verbatim", {"text": "own_backend is closed", "remedy": "use albums"})
        problems = [
            HealthProblem(IncidentSubject(IncidentKind.DISK, name="/data"), closed),
            HealthProblem(IncidentSubject(IncidentKind.INBOX), Message.load("b")),
        ]
        for found in (problems[:1], problems, problems[:1]):
            record_problems(session, found, now)
        egress.block_egress(session, "home", "verification", now)
        egress.block_egress(session, "office", "verification", now - timedelta(days=1))
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("MPARCHIVE_HOME", str(tmp_path))


def test_a_person_sees_what_is_wrong_and_what_to_do(
    troubled: None, capsys: pytest.CaptureFixture[str]
) -> None:
    status(as_json=False)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert any(line.startswith("own_backend closed 0 0") for line in lines)
    assert any(line.endswith("own_backend is closed use albums") for line in lines)
    assert any(line.startswith("home 20") and line.endswith("verification") for line in lines)
    assert not any(line.startswith("office") for line in lines)


def test_a_script_gets_the_same_and_what_is_over(troubled: None, capsys: pytest.CaptureFixture[str]) -> None:
    status(as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["state"], one["failures"]) for one in told["sources"]] == [
        ("own_backend", "closed", 1)
    ]
    assert {(one["key"], one["closed_at"] is None) for one in told["incidents"]} == {
        ("disk:/data", True), ("inbox", False),
    }  # fmt: skip
    assert {one["name"]: one["held_until"] is not None for one in told["egresses"]} == {
        "home": True, "office": False,
    }  # fmt: skip


def test_no_name_is_cut_short_where_there_is_little_room(
    engine: Engine,
    troubled: None,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """80 columns, as a pipe or a timer's mail has; a long word goes on in the next line."""
    folder = tmp_path / ("folder" * 30)
    folder.mkdir()
    monkeypatch.setenv("MPARCHIVE_HOME", str(folder))
    long = SourceReport(BIZ, "album:3900000000000000001", "not_configured", good=False, detail="")
    with transaction(engine) as session:
        record_report(session, None, long, datetime.now(UTC))
    status(as_json=False)
    assert "…" not in capsys.readouterr().out
