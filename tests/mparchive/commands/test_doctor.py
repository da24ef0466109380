"""`doctor` names what is there and what is missing, and changes nothing."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.repository.captures import store_captures
from mparchive.commands.doctor import doctor
from mparchive.errors import Exit
from tests.archive.making import capture


@pytest.fixture
def listener() -> Any:
    """Yield the address of a server on loopback that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def browser(tmp_path: Path) -> Path:
    """Return a program that says its version as Chromium does."""
    path = tmp_path / "chromium"
    path.write_text("#!/bin/sh\necho Chromium 1.2.3\n")
    path.chmod(0o700)
    return path


@pytest.fixture
def machine(
    tmp_path: Path, fresh_database_url: str, listener: str, browser: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set an environment in which everything is there but a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", fresh_database_url)
    monkeypatch.setenv("MPARCHIVE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MPARCHIVE_LOOPBACK", listener)
    monkeypatch.setenv("MPARCHIVE_CHROMIUM", str(browser))


def found(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    return {one["subject"]: one for one in json.loads(capsys.readouterr().out)}


@pytest.mark.usefixtures("machine")
def test_a_machine_that_has_everything_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(as_json=True) == Exit.DONE
    results = found(capsys)
    states = {name: one["state"] for name, one in results.items() if name != "fonts"}
    assert states == {
        "program": "ok",
        "configuration": "note",
        "postgres": "ok",
        "clock": "ok",
        "chromium": "ok",
        "disk": "ok",
        "network": "ok",
    }
    assert "PostgreSQL 1" in results["postgres"]["detail"] and "1.2.3" in results["chromium"]["detail"]
    assert not (tmp_path / "home").exists()


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("setting", "subject", "said"),
    [
        (("MPARCHIVE_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none"), "postgres", "cannot be used"),
        (("MPARCHIVE_CHROMIUM", "/nowhere/chromium"), "chromium", "no Chromium"),
        (("MPARCHIVE_CHROMIUM", "/bin/false"), "chromium", "does not start"),
        (("MPARCHIVE_LOOPBACK", "http://127.0.0.1:9"), "network", "cannot be reached"),
        (("MPARCHIVE_CONFIG", "/nowhere.toml"), "configuration", "/nowhere.toml"),
        (("MPARCHIVE_CHROMIUN", "/usr/bin/chromium"), "configuration", "did you mean MPARCHIVE_CHROMIUM?"),
    ],
)
def test_what_is_missing_is_named_and_ends_with_three(
    setting: tuple[str, str], subject: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv(*setting)
    assert doctor(as_json=True) == Exit.PARTLY_FAILED
    result = found(capsys)[subject]
    assert result["state"] == "problem" and said in result["detail"]


@pytest.mark.usefixtures("machine")
def test_a_clock_behind_the_newest_capture_is_noticed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    with transaction(engine) as session:
        store_captures(session, None, [(None, capture())])
    assert doctor(as_json=True) == Exit.DONE
    capsys.readouterr()
    with transaction(engine) as session:
        session.connection().exec_driver_sql("SET session_replication_role = replica")
        session.connection().exec_driver_sql("UPDATE captures SET fetched_at = now() + interval '1 day'")
    assert doctor(as_json=False) == Exit.PARTLY_FAILED
    assert "the newest capture is of" in " ".join(capsys.readouterr().out.split())
