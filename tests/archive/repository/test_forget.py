"""Test that a removal is whole, keeps what others need, and stays in force until somebody asks."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.models import Address, Body, ChainEntry, Post, Removal, Run
from archive.db.settings import ArchiveSettings
from archive.domain.addresses import parse_address
from archive.domain.captures import CaptureData, SightingData
from archive.domain.errors import IntegrityError
from archive.domain.outcomes import FORGOTTEN
from archive.domain.parsed_page import ParsedPage
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.captures import store_captures
from archive.repository.forget import ForgetRequest, forget, remove_files, unfinished
from archive.repository.frontier import record_sightings
from archive.repository.media import due_media, store_file
from archive.repository.removals import RemovalScope, scope_of_posts
from archive.repository.runs import start_run
from archive.storage.media_files import MediaFolder
from tests.archive.making import BIZ, NOW, article, capture, image, kept_file, record, template

SHEET = "https://res.wx.qq.com/assets/index.1a2b.css"


def post_ids(session: Session) -> list[int]:
    return list(session.scalars(select(Post.id).order_by(Post.id)))


def import_dump(engine: Engine) -> None:
    with transaction(engine) as session:
        run_id = start_run(session, "backfill", {}, NOW)
        import_records(session, run_id, [record(1), record(2)], "dump", NOW)


def forget_first(engine: Engine) -> int:
    def find(session: Session) -> RemovalScope:
        return scope_of_posts(session, post_ids(session)[:1], [])

    run_id, _ = forget(engine, ForgetRequest(find, {}, "误导入"), _no_page, 1, NOW)
    return run_id


def _no_page(_capture: CaptureData) -> ParsedPage:
    raise AssertionError("nothing is parsed where no post stays with other pages")


def test_a_removal_that_fails_halfway_removes_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_dump(engine)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("archive.repository.forget.append_removals", fail)
    with pytest.raises(KeyboardInterrupt):
        forget_first(engine)
    with transaction(engine) as session:
        assert len(post_ids(session)) == 2
        assert session.scalar(select(func.count()).select_from(Removal)) == 0


def test_a_page_fetched_by_itself_of_a_forgotten_post_does_not_become_one(engine: Engine) -> None:
    import_dump(engine)
    forget_first(engine)
    short = parse_address("https://mp.weixin.qq.com/s/abcdefghijklmnopqrstuv")
    for expected, posts in ((BIZ, 1), ("", 2)):
        with transaction(engine) as session:
            seen = record_sightings(
                session, None, [SightingData(short, "feed", NOW, expected_biz=expected)], NOW
            )
            (kept,) = store_captures(session, None, [(seen[0].address_id, capture(expected.encode()))])
            store_parse_results(session, None, [(kept, article(record(1)))], NOW, 1)
            assert len(post_ids(session)) == posts
            rows = select(func.count()).where(Address.last_outcome == FORGOTTEN)
            assert session.scalar(rows) == 2 - posts


def test_a_base_that_cannot_be_read_is_refused_and_nothing_is_removed(engine: Engine) -> None:
    with transaction(engine) as session:
        pages = [(None, capture(template(1) + b"%d" % number, minutes=number)) for number in (1, 2)]
        for number, kept in enumerate(store_captures(session, None, pages), 1):
            store_parse_results(session, None, [(kept, article(record(number)))], NOW, 1)
        assert session.scalar(select(func.count(Body.base_sha256))) == 1
        session.execute(text("UPDATE bodies SET data = 'x' WHERE base_sha256 IS NULL"))
    with pytest.raises(IntegrityError):
        forget_first(engine)
    with transaction(engine) as session:
        assert len(post_ids(session)) == 2


def test_files_that_a_killed_command_left_are_removed_by_the_next(engine: Engine, tmp_path: Path) -> None:
    folder = MediaFolder(ArchiveSettings(media=str(tmp_path)))
    with transaction(engine) as session:
        for number in (1, 2):
            (kept,) = store_captures(session, None, [(None, capture(b"%d" % number))])
            page = article(record(number), media=(image(f"{number}"),), style_sheets=(SHEET,))
            store_parse_results(session, None, [(kept, page)], NOW, 1)
    for content, type_ in ((b"one", "image"), (b"two", "image"), (b"body{}", "style")):
        with transaction(engine) as session:
            medium = due_media(session, NOW, 2, types=[type_])[0]
            file = kept_file(content)
            path = folder.put(content, file.sha256, ".png")
            store_file(session, medium.id, kept_file(content, path), NOW)
    run_id = forget_first(engine)
    assert (unfinished(engine), len(list(folder.paths()))) == ([run_id], 3)
    remove_files(engine, folder, run_id, NOW)
    assert (unfinished(engine), len(list(folder.paths()))) == ([], 2)  # a style sheet is of no post
    with transaction(engine) as session:
        assert session.get_one(Run, run_id).status == "done"


def test_entries_stay_in_the_chain_and_name_their_removal(engine: Engine) -> None:
    import_dump(engine)
    forget(engine, ForgetRequest(_second, {}, ""), _no_page, 1, NOW)
    with transaction(engine) as session:
        entries = session.scalars(select(ChainEntry).order_by(ChainEntry.position)).all()
        (removal,) = session.scalars(select(Removal))
    marked = [one for one in entries if one.removed_by_id is not None]
    assert {one.removed_by_id for one in marked} == {removal.id}
    assert {one.fact_kind for one in marked} == {None, "post", "sighting"}  # None: the version
    assert [one["position"] for one in removal.removed["entries"]] == [one.position for one in marked]
    assert [one.removal_id for one in entries].count(removal.id) == 1


def _second(session: Session) -> RemovalScope:
    return scope_of_posts(session, post_ids(session)[1:], [])
