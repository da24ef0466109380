"""`mparchive sources`: a table that a person can decide from."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.repository.sources import SourceReport, record_report
from archive.system import clock
from mparchive.commands.sources import print_sources
from mparchive.errors import CommandError, Exit
from tests.standin.account import COMMISSION
from tests.standin.week import WEEK

CONFIG = f"""
[[accounts]]
biz = "{COMMISSION.biz}"
name = "合成云屿经信"
feeds = ["https://rss.example/a.xml"]
follow_albums = false

[[accounts]]
biz = "Mzk5OTAwMDAwOQ=="
name = "合成九号"
"""


@pytest.fixture(autouse=True)
def configured(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mparchive.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("MPARCHIVE_HOME", str(tmp_path))


def test_each_source_has_a_row_and_each_missing_one_a_sentence(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    now = clock.now()
    sighting = SightingData(
        parse_address(WEEK[0].url), "feed:rss.example/a.xml", now, expected_biz=COMMISSION.biz
    )
    with transaction(engine) as session:
        report = SourceReport(COMMISSION.biz, sighting.source, "ok", True, sightings=[sighting])
        record_report(session, None, report, now)
    assert print_sources(None, as_json=False) is Exit.DONE
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "合成云屿经信"
    assert lines[2] == "source state listed first alone median delay"
    assert lines[3] == "feed:rss.example/a.xml ok 0 0 0"
    assert any(line.startswith("weread:") and "it takes your own WeRead login" in line for line in lines)
    second = lines[lines.index("合成九号") :]
    assert any("not watched: no source lists its new posts" in line for line in second)
    assert not any("not watched" in line for line in lines[: lines.index("合成九号")])


def test_a_program_reads_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_sources("合成九号", as_json=True) is Exit.DONE
    (account,) = json.loads(capsys.readouterr().out)
    assert (account["account"], account["new_posts_are_found"]) == ("合成九号", False)
    assert [one["source"] for one in account["sources"]] == ["neighbours"]
    assert {one["source"] for one in account["not_configured"]} >= {"album", "feed", "weread"}


def test_an_account_that_is_not_configured_is_refused() -> None:
    with pytest.raises(CommandError) as refused:
        print_sources("nobody", as_json=False)
    assert refused.value.code is Exit.USAGE
