"""`mparchive audit` prints gaps by kind and account, and fetches only what can be fetched."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from archive.audit.gap import Gap, GapKind
from archive.db.engine import transaction
from archive.db.models import Address
from archive.db.models import Run as RunRow
from archive.domain.messages import Message
from archive.repository import egress
from archive.system import clock
from crawler.discovery.config import MAX_SOURCES, AccountConfig
from mparchive.commands import audit
from mparchive.crawl import RunSummary
from mparchive.errors import Exit
from tests.archive.audit.making import post, put, see
from tests.archive.making import BIZ
from tests.mparchive.commands.conftest import Run

GAP = Gap(
    GapKind.NO_PAGE,
    BIZ,
    "示例账号",
    "1_1",
    Message("archive.verbatim"),
    Message("archive.verbatim"),
    True,
    url="x",
)


@pytest.fixture(scope="module")
def filled(module_engine: Engine) -> Engine:
    """Archive a push without its second post, without pages, and list a post that is not archived."""
    with transaction(module_engine) as session:
        put(session, post(10, 1), post(10, 3))
        see(session, post(12, title="列出的文章"))
    return module_engine


@pytest.fixture
def mparchive(filled: Engine, use: Callable[[Engine], Run]) -> Run:
    return use(filled)


def test_the_gaps_of_an_account_are_counted_and_listed_with_what_to_do(mparchive: Run) -> None:
    ended = mparchive("audit")
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert ended.code == Exit.DONE
    assert lines[0] == "示例账号"
    assert "1 missing posts of multi-post messages" in lines
    assert "2 posts without their page" in lines
    assert "10_2 2026-03-01" in lines
    assert "mparchive audit --fill" in ended.out


@pytest.mark.slow
@pytest.mark.usefixtures("in_chinese")
def test_gaps_are_in_the_language_of_the_process(mparchive: Run) -> None:
    lines = [" ".join(line.split()) for line in mparchive("audit").out.splitlines()]
    assert "1 同一次推送中缺少的文章" in lines
    assert "2 没有原网页的文章" in lines
    assert "存档中没有公众号 nobody；现有：示例账号" in mparchive("audit", "--account", "nobody").err


@pytest.mark.slow
def test_the_number_of_gaps_shown_is_limited_and_the_rest_is_counted(mparchive: Run) -> None:
    assert "and 1 more; --limit 2 shows all" in mparchive("audit", "--limit", 1).out
    limited = json.loads(mparchive("audit", "--limit", 1, "--json").out)
    assert limited["counts"]["no_page"] == 2
    assert [gap["kind"] for gap in limited["gaps"]].count("no_page") == 1
    assert "before" not in limited


@pytest.mark.slow
def test_days_and_accounts_are_selected_and_unknown_ones_are_refused(mparchive: Run) -> None:
    chosen = json.loads(mparchive("audit", "--account", BIZ, "--since", "2026-03-02", "--json").out)
    assert "hole" not in chosen["counts"]
    unknown = mparchive("audit", "--account", "nobody")
    assert (unknown.code, unknown.out) == (Exit.USAGE, "")
    assert "no account nobody in the archive; it has 示例账号" in unknown.err


def test_an_empty_archive_has_no_gaps_and_no_account(engine: Engine, use: Callable[[Engine], Run]) -> None:
    mparchive = use(engine)
    assert mparchive("audit").out.startswith("the archive holds no posts yet;")
    assert "no account nobody in the archive; it has none" in mparchive("audit", "--account", "nobody").err
    filled = json.loads(mparchive("audit", "--fill", "--json").out)
    assert (filled["before"], filled["counts"]) == ({}, {})


def test_a_configuration_that_is_named_must_be_there(
    mparchive: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MPARCHIVE_CONFIG", str(tmp_path / "none.toml"))
    ended = mparchive("audit")
    assert (ended.code, ended.out) == (Exit.USAGE, "")
    assert "none.toml" in ended.err


def test_nothing_is_fetched_while_the_egress_is_blocked(
    filled: Engine, mparchive: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPARCHIVE_EGRESS", "blocked")
    with transaction(filled) as session:
        egress.block_egress(session, "blocked", "verification", clock.now())
    ended = mparchive("audit", "--fill")
    assert ended.code == Exit.VERIFICATION
    with transaction(filled) as session:
        assert session.query(RunRow).count() == 0


def test_as_many_gaps_of_each_kind_are_fetched_as_are_wanted_and_not_more_than_the_bound(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = [GAP, GAP, replace(GAP, url="")]
    others = [replace(GAP, kind=GapKind.UNREAD, url=""), replace(GAP, kind=GapKind.HOLE, fillable=False)]
    assert audit._gaps_to_fetch([*pages, *others], None) == [GAP, GAP, others[0]]
    assert audit._gaps_to_fetch([*pages, *others], 1) == [GAP, others[0]]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(audit, "MAX_FILLED", 1)
    assert audit._gaps_to_fetch(pages, None) == [GAP]
    assert "1 of 2 are fetched now; run the same command again for the rest" in capsys.readouterr().err


def test_the_albums_of_gaps_are_listed_beside_those_of_the_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configured = AccountConfig(biz=BIZ, name="示例账号", albums=("1", "2"))
    gaps = [replace(GAP, album=album) for album in ("2", "3")]
    (listed,) = audit._accounts_to_list([*gaps, GAP], {BIZ: configured})
    assert listed.albums == ("1", "2", "3")
    (unconfigured,) = audit._accounts_to_list([replace(GAP, kind=GapKind.HOLE)], {})
    assert (unconfigured.albums, unconfigured.follow_albums) == ((), True)
    many = [replace(GAP, album=str(number)) for number in range(MAX_SOURCES + 5)]
    assert len(audit._accounts_to_list(many, {BIZ: configured})[0].albums) == MAX_SOURCES
    assert audit._accounts_to_list([replace(GAP, biz="?", album="1")], {}) == []
    assert "? is not the __biz of an account; its sources are not checked" in capsys.readouterr().err
    assert audit._accounts_to_list([GAP, replace(GAP, kind=GapKind.HOLE, fillable=False)], {}) == []


def test_the_addresses_of_gaps_are_claimed_for_the_run(filled: Engine) -> None:
    url = post(77).url
    with transaction(filled) as session:
        run = RunRow(command="audit", started_at=clock.now())
        session.add(run)
        session.flush()
        known = see(session, post(78))
        gaps = [replace(GAP, url=url), replace(GAP, url="no address"), replace(GAP, url="", address_id=known)]
        ids = audit._claim_addresses(session, run.id, gaps, clock.now() + timedelta(days=1))
        rows = [session.get_one(Address, number) for number in ids]
        assert known in ids
        assert {row.claimed_by_run_id for row in rows} == {run.id}
        assert len(rows) == 2
        session.rollback()


def test_nothing_fillable_asks_nobody(shared_engine: Engine) -> None:
    filler = audit.GapFiller(shared_engine, {}, None, RunSummary())
    assert filler.fill([replace(GAP, fillable=False)], lambda: []) is Exit.DONE
