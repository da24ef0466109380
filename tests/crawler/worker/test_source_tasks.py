"""What the archive knows before a check of sources, and what it stores after one."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from archive.db.engine import transaction
from archive.db.models import Address, Post, Sighting, Source
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.outcomes import Relation
from archive.ingest.pages import store_parse_results
from archive.repository.captures import store_captures
from archive.repository.frontier import due_addresses, record_sightings
from archive.repository.runs import start_run
from crawler.discovery.source import ListedPost, SourceFindings, State
from crawler.discovery.sources.archived_links import ArchivedLinks
from crawler.worker import tasks
from crawler.worker.source_tasks import known_of, record
from tests.archive import making
from tests.crawler.discovery.driving import NOW, OTHER, drive, post_url

BIZ = making.BIZ


@pytest.fixture
def run_id(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> int:
    """Open an archive in this process as in a worker, and a run."""
    monkeypatch.setattr(tasks._Archive, "engine", engine, raising=False)
    with transaction(engine) as session:
        return start_run(session, "discover", {}, NOW)


def archive_page(engine: Engine, number: int, **more: object) -> None:
    record_ = replace(making.record(number), **{k: more.pop(k) for k in ("title", "text") if k in more})  # type: ignore[arg-type]
    with transaction(engine) as session:
        seen = SightingData(parse_address(record_.url), "test", NOW)
        (sighted,) = record_sightings(session, None, [seen], NOW)
        (kept,) = store_captures(session, None, [(sighted.address_id, making.capture(b"%d" % number))])
        store_parse_results(session, None, [(kept, replace(making.article(record_), **more))], NOW)  # type: ignore[arg-type]


def test_what_known_posts_lead_to_is_found_once(engine: Engine, run_id: int) -> None:
    album = replace(making.link(9, Relation.ALBUM), key="3900")
    archive_page(engine, 1, links=(making.link(5), making.link(6, Relation.NEXT), album))
    known = known_of(BIZ, "一周要闻")
    assert known.archived.albums == ("3900",)
    found, _ = drive(ArchivedLinks(known.archived))
    assert found.state is State.OK
    recorded = record(run_id, BIZ, "neighbours", found, NOW)
    assert (recorded.new, len(recorded.findings.posts)) == (2, 2)
    with transaction(engine) as session:
        assert due_addresses(session, NOW, 10) == [], "other sources may list them with a chksm first"
        assert [address.key for address in due_addresses(session, NOW + timedelta(days=1), 10)] == [
            f"{BIZ}:1005:1", f"{BIZ}:1006:1",
        ]  # fmt: skip
        assert set(session.scalars(select(Sighting.source))) == {"test", "neighbours"}
    assert known_of(BIZ, "一周要闻").archived.linked == ()


def test_titles_of_the_digests_that_are_not_archived_are_remembered_for_people(
    engine: Engine, run_id: int
) -> None:
    archive_page(engine, 1, title="合成机器人租赁联盟成立")
    text = "01&nbsp;合成机器人租赁联盟成立\r02&nbsp;第三批虚构“专精特新”名单公示\r"
    archive_page(engine, 2, title="合成一周要闻（3月1日）", text=text)
    found, _ = drive(ArchivedLinks(known_of(BIZ, "一周要闻").archived))
    record(run_id, BIZ, "neighbours", found, NOW)
    with transaction(engine) as session:
        source = session.scalars(select(Source)).one()
        assert source.memory == {"missing": [{"digest": "1002_1", "title": "第三批虚构“专精特新”名单公示"}]}
        assert "第三批虚构" in source.detail
    assert known_of(BIZ, "no such title").archived.digests == ()
    assert known_of(BIZ, "一周要闻").memories == {"neighbours": source.memory}


def test_nothing_of_a_source_that_lists_another_account_reaches_the_archive(
    engine: Engine, run_id: int
) -> None:
    seen = tuple(ListedPost(post_url(n, OTHER), "合成") for n in range(3))
    recorded = record(run_id, BIZ, "feed:x", SourceFindings(State.OK, posts=seen, memory={"etag": "1"}), NOW)
    assert (recorded.findings.state, recorded.new) == (State.FOREIGN, 0)
    with transaction(engine) as session:
        assert session.scalars(select(Address)).all() == []
        assert session.scalars(select(Post)).all() == []
        source = session.scalars(select(Source)).one()
        assert (source.state, source.consecutive_failures, source.memory) == ("foreign", 1, {})
