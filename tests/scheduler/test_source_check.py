"""Checks of an account's sources in a crawl process, against the stand-in for WeChat."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.models import Egress, Run
from archive.domain.addresses import canonical_url
from archive.domain.outcomes import Relation
from archive.domain.parsed_page import LinkRef
from archive.ingest.pages import store_parse_results
from archive.repository.captures import store_captures
from crawler.discovery.config import AccountConfig
from crawler.process.entry import SourceChecked
from scheduler.egress_session import EgressSession
from scheduler.source_check import (
    START_TIME,
    TIME_PER_SOURCE,
    CheckRequest,
    check_sources,
    unwatched_problem,
)
from tests.archive.making import NOW, article, capture, record
from tests.standin import Standin
from tests.standin.account import COMMISSION
from tests.standin.week import ALBUM, WEEK

ACCOUNT = AccountConfig(biz=COMMISSION.biz, name="合成", albums=(ALBUM,))


def test_each_source_is_reported_when_it_is_stored_and_the_run_names_its_egress(
    engine: Engine, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[SourceChecked] = []
    monkeypatch.setenv("MPARCHIVE_LOG_LEVEL", "CRITICAL")
    with Standin(week=True) as standin:
        monkeypatch.setenv("MPARCHIVE_LOOPBACK", standin.origin)
        egress = EgressSession(engine, "home")
        checked = check_sources(egress, CheckRequest(ACCOUNT, ["album"]), on_source=heard.append)
    assert checked.result.verdict == "done", checked.result.error
    (album,) = checked.sources
    assert heard == [album]
    assert (album.source, album.state, album.good) == (f"album:{ALBUM}", "ok", True)
    assert album.seen == sum(post.album == ALBUM for post in WEEK)
    with transaction(engine) as session:
        run = session.get_one(Run, checked.result.run_id)
        assert (run.command, run.status) == ("discover", "done")
        assert session.get_one(Egress, run.egress_id).name == "home"


def test_a_request_names_what_the_spider_is_to_do() -> None:
    request = CheckRequest(ACCOUNT, {"feed", "album"}, from_start=True, blocked=True)
    assert AccountConfig.model_validate_json(request.arguments["account"]) == ACCOUNT
    assert {name: value for name, value in request.arguments.items() if name != "account"} == {
        "only": "album,feed",
        "all": "1",
        "held": "1",
    }
    assert set(CheckRequest(ACCOUNT).arguments) == {"account"}


def test_the_time_limit_grows_with_the_sources(tmp_path: Path) -> None:
    fixed = ACCOUNT.model_copy(update={"follow_albums": False})
    more = fixed.model_copy(update={"albums": ("1", "2"), "addresses_file": tmp_path})
    followed = ACCOUNT.model_copy(update={"follow_albums": True})
    assert CheckRequest(fixed.model_copy(update={"albums": ()})).timeout == START_TIME + TIME_PER_SOURCE
    assert CheckRequest(more).timeout == START_TIME + 3 * TIME_PER_SOURCE
    assert CheckRequest(followed).timeout == START_TIME + 11 * TIME_PER_SOURCE


def test_an_account_is_watched_once_a_source_besides_links_between_posts_is_configured(
    db_session: Session, tmp_path: Path
) -> None:
    bare = ACCOUNT.model_copy(update={"albums": (), "follow_albums": False})
    followed = bare.model_copy(update={"follow_albums": True})
    for unwatched in (bare, followed):
        problem = unwatched_problem(db_session, unwatched)
        assert problem is not None
        assert problem.code == "archive.unwatched.no_album"
    post = replace(record(), url=canonical_url(COMMISSION.biz, "1001", "1", "5a", "be48"))
    album = LinkRef(Relation.ALBUM, "77", "", 0)
    (capture_id,) = store_captures(db_session, None, [(None, capture())])
    page = replace(article(post, links=(album,)), biz=COMMISSION.biz)
    store_parse_results(db_session, None, [(capture_id, page)], NOW, 1)
    problem = unwatched_problem(db_session, bare)
    assert problem is not None
    assert problem.params["albums"] == 'albums = ["77"]'
    listed = bare.model_copy(update={"addresses_file": tmp_path / "none.txt"})
    assert [unwatched_problem(db_session, one) for one in (ACCOUNT, followed, listed)] == [None] * 3
