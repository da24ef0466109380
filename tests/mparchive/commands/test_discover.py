"""`mparchive discover` where there is nothing to ask."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from archive.db.advisory_locks import Hosts, egress_lock
from archive.db.engine import transaction
from archive.domain.monitoring import unwatched
from archive.repository import egress
from archive.system import clock
from crawler.discovery.config import AccountConfig
from crawler.process.entry import SourceChecked
from mparchive import crawl
from mparchive.commands import discover
from mparchive.commands.discover import CheckedAccount, check_account
from mparchive.errors import CommandError, Exit
from scheduler.crawl_process import CrawlResult
from scheduler.source_check import CheckedSources

ACCOUNT = AccountConfig(biz="Mzk5OTAwMDAwMQ==", name="合成", albums=("1",))
OK = SourceChecked("album:1", "ok", True, seen=2, new=1, newest="2025-11-22T16:01:00+00:00")
CLOSED = SourceChecked("own_backend", "closed", False, detail="200013", advice="use albums")


def test_an_egress_that_stays_in_use_is_said(
    shared_engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crawl, "MAX_WAIT", 0.1)
    with (
        egress_lock(shared_engine, "default", Hosts.PAGES),
        pytest.raises(CommandError, match="no source of 合成 was checked") as refused,
    ):
        check_account(shared_engine, ACCOUNT, (), whole=False)
    assert refused.value.code is Exit.NOTHING_FETCHED
    assert "waiting for its end" in capsys.readouterr().err


def test_while_the_egress_is_blocked_sources_at_wechat_are_left_out(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("MPARCHIVE_HOME", str(tmp_path))
    with transaction(engine) as session:
        egress.block_egress(session, "default", "verification", clock.now())
    with pytest.raises(CommandError, match="all are at WeChat") as refused:
        check_account(engine, ACCOUNT, ("album",), whole=False)
    assert refused.value.code is Exit.VERIFICATION
    assert "those elsewhere are checked" in capsys.readouterr().err


def test_a_person_reads_a_row_for_each_source_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    discover._print(CheckedAccount(ACCOUNT, CheckedSources(CrawlResult(1, "done", 0), (CLOSED, OK))))
    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()] == [
        "合成",
        "source state seen new newest",
        "album:1 ok 2 1 2025-11-23 00:01",
        "own_backend closed 0 0",
        "own_backend: 200013; use albums",
    ]


def test_an_account_without_a_source_of_new_posts_is_said_to_be_not_watched(
    capsys: pytest.CaptureFixture[str],
) -> None:
    neighbours = SourceChecked("neighbours", "unchanged", True)
    checked = CheckedSources(CrawlResult(1, "done", 0), (neighbours,))
    unwatched_account = CheckedAccount(ACCOUNT, checked, unwatched(ACCOUNT.name))
    discover._print(unwatched_account)
    assert "合成 is not watched: no source lists its new posts; switch on a source" in capsys.readouterr().out
    as_dict = discover._as_dict(unwatched_account)
    assert (as_dict["watched"], "is not watched" in str(as_dict["not_watched"])) == (False, True)
    assert discover._as_dict(CheckedAccount(ACCOUNT, checked))["watched"] is True


@pytest.mark.parametrize(
    ("sources", "code"),
    [
        ([OK], Exit.DONE),
        ([OK, CLOSED], Exit.PARTLY_FAILED),
        ([CLOSED], Exit.NOTHING_FETCHED),
        ([SourceChecked("album:1", "verification", False)], Exit.VERIFICATION),
    ],
)
def test_the_exit_code_says_how_many_sources_work(sources: list[SourceChecked], code: Exit) -> None:
    assert discover._exit_code(sources) is code


def test_an_account_that_is_not_configured_is_refused() -> None:
    with pytest.raises(CommandError, match="no account 另一个 in the configuration; it has 合成"):
        discover.chosen_accounts([ACCOUNT], "另一个")
