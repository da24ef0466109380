"""How commands given by hand keep a line to one crawl at a time."""

import pytest
from sqlalchemy import Engine

from archive.db.advisory_locks import Hosts, egress_lock
from crawler.discovery.config import AccountConfig
from mparchive import crawl
from mparchive.commands.discover import try_sources
from mparchive.console import steps
from mparchive.crawl import Line, fetch, fetch_media
from mparchive.errors import CommandError, Exit
from mparchive.run_summary import Tally

ACCOUNT = AccountConfig(biz="Mzk5OTAwMDAwMQ==", name="合成", albums=("1",))


def test_a_command_gives_up_on_a_line_that_stays_in_use_and_has_asked_nothing(
    shared_engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crawl, "LONGEST_WAIT", 0.1)
    mine, tally = Line(shared_engine, {}), Tally()
    with (
        egress_lock(shared_engine, "default", Hosts.PAGES),
        egress_lock(shared_engine, "default", Hosts.MEDIA),
        steps(None) as shown,
    ):
        assert fetch(mine, 1, 3, tally, shown) is Exit.NOTHING_FETCHED  # a crawl would need a server
        assert fetch_media(mine, 1, 4, tally, shown) is Exit.DONE
        with pytest.raises(CommandError, match="no source of 合成 was asked") as refused:
            try_sources(shared_engine, ACCOUNT, (), whole=False)
    assert refused.value.code is Exit.NOTHING_FETCHED
    assert tally.counts == {"not_asked": 3, "images_not_asked": 4}
    assert capsys.readouterr().err.count("waiting for its end") == 3


def test_a_replay_waits_for_nobody(shared_engine: Engine) -> None:
    replay = Line(shared_engine, {"CASSETTE_MODE": "replay"})
    with egress_lock(shared_engine, "default", Hosts.PAGES), replay.turn(Hosts.PAGES) as its:
        assert its
