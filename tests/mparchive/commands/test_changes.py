"""`mparchive changes` lists new, edited, removed and restored posts."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.ingest.pages import import_records
from mparchive.errors import Exit
from tests.archive.making import NOW, article, record
from tests.archive.reports.test_changes import fetch
from tests.mparchive.commands.conftest import Run

DAY = 24 * 60  # minutes


@pytest.fixture(scope="module")
def filled(module_engine: Engine) -> Engine:
    """Store a post that is edited a day later and removed after two days, and one of a dump."""
    with transaction(module_engine) as session:
        post = record(1, text="一二三\r", title="原来的\n标题\x1b[2J")
        fetch(session, post, article(post), 0)
        fetch(session, post, article(record(1, text="一二三四\r", title="新的标题")), DAY)
        fetch(session, post, ParsedPage(Outcome.VIOLATION, reason="此内容因违规无法查看"), 2 * DAY)
        import_records(session, None, [record(2)], "dump", NOW + timedelta(days=3))
    return module_engine


@pytest.fixture
def mparchive(filled: Engine, use: Callable[[Engine], Run]) -> Run:
    return use(filled)


def kinds(*arguments: object, of: Run) -> list[str]:
    return [change["kind"] for change in json.loads(of("changes", *arguments, "--json").out)]


@pytest.mark.slow
def test_changes_are_printed_newest_first_with_the_time_of_beijing(mparchive: Run) -> None:
    ended = mparchive("changes")
    assert (ended.code, ended.err) == (Exit.DONE, "")
    assert ended.out.splitlines() == [
        "2026-03-05 12:00 +08:00  new  1002_1  标题",
        "    示例账号  8 characters",
        "2026-03-04 12:00 +08:00  removed  1001_1  新的标题",
        "    示例账号  taken down; last seen 2026-03-03 12:00",
        "2026-03-03 12:00 +08:00  edited  1001_1  新的标题",
        "    示例账号  version 2: 4 → 5 characters; the title was “原来的 标题␛[2J”",
        "2026-03-02 12:00 +08:00  new  1001_1  原来的 标题␛[2J",
        "    示例账号  4 characters",
    ]


def test_json_has_versions_to_compare_and_reasons_with_instants_in_utc(mparchive: Run) -> None:
    _, removed, edited, _ = json.loads(mparchive("changes", "--json").out)
    assert (removed["at"], removed["outcome"]) == ("2026-03-04T04:00:00+00:00", "violation")
    assert removed["reason"] == "此内容因违规无法查看"
    assert (edited["previous_version"], edited["version"]) == (1, 2)
    assert (edited["aid"], edited["biz"]) == ("1001_1", "MzA0NjAyNTQ5NQ==")


def test_kinds_days_and_accounts_select_changes(mparchive: Run) -> None:
    assert kinds("--kind", "edited", "--kind", "removed", of=mparchive) == ["removed", "edited"]
    assert kinds("--since", "2026-03-04", of=mparchive) == ["new", "removed"]
    assert kinds("--until", "2026-03-03", "--account", "示例账号", of=mparchive) == ["edited", "new"]
    assert kinds("--since", "2026-03", "--until", "2026", of=mparchive) == ["new", "removed", "edited", "new"]
    assert kinds("--week", "2026-W10", of=mparchive) == ["new", "removed", "edited", "new"]
    assert kinds("--week", "2026-W11", of=mparchive) == []


def test_it_is_said_that_there_are_more_or_none(mparchive: Run) -> None:
    ended = mparchive("changes", "-n", 1, "--json")
    assert len(json.loads(ended.out)) == 1
    assert ended.err.startswith("there are more; the newest one is shown")
    assert mparchive("changes", "--limit", 4).err == ""
    none = mparchive("changes", "--kind", "restored")
    assert (none.code, none.out) == (Exit.DONE, "")
    assert "no such change" in none.err


def test_what_cannot_be_meant_is_refused(mparchive: Run) -> None:
    for arguments, words in {
        ("--account", "nobody"): "nobody",
        ("--since", "yesterday"): "“yesterday” names no day",
        ("--since", "2026-04", "--until", "2026-03"): "--since 2026-04 is after --until 2026-03",
        ("--week", "2026-03"): "not a week",
        ("--kind", "deleted"): "deleted",
        ("--limit", "0"): "--limit",
    }.items():
        ended = mparchive("changes", *arguments)
        assert (ended.code, ended.out) == (Exit.USAGE, "")
        assert words in ended.err


@pytest.mark.usefixtures("in_chinese")
def test_changes_are_described_in_the_language_of_the_process(mparchive: Run) -> None:
    shown = mparchive("changes", "--kind", "removed").out
    assert shown.splitlines() == [
        "2026-03-04 12:00 +08:00  下架  1001_1  新的标题",
        "    示例账号  违规下架；最后一次可见于 2026-03-03 12:00",
    ]
