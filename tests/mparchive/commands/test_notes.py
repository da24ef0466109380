"""`mparchive notes` lists what readers noted, for people and as JSON, and changes no export."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from archive.db.engine import transaction
from archive.db.models import Post
from archive.ingest.pages import import_records
from archive.repository import notes
from archive.repository.notes import Note
from mparchive.errors import Exit
from tests.archive.making import BIZ, NOW, record
from tests.mparchive.commands.conftest import Run


@pytest.fixture
def mparchive(engine: Engine, use: Callable[[Engine], Run]) -> Run:
    with transaction(engine) as session:
        import_records(session, None, [record(1, title="标题\x1b[2J"), record(2)], "dump", NOW)
    return use(engine)


def note(engine: Engine) -> None:
    """Note something of the first post, and save a search."""
    with transaction(engine) as session:
        post_id = session.scalars(select(Post.id).where(Post.aid == "1001_1")).one()
        notes.put_note(session, post_id, Note(True, ("政策",), "第一行\n\x1b[2J第二行"), NOW)
        notes.save_search(session, "我的搜索", {"q": "合成"}, NOW)


def test_notes_are_listed_for_people_and_as_json(mparchive: Run, engine: Engine) -> None:
    assert "nothing is noted yet" in mparchive("notes").err
    assert json.loads(mparchive("notes", "--json").out) == {"posts": [], "searches": []}
    note(engine)
    shown = mparchive("notes").out
    assert "★ 1001_1" in shown
    assert "#政策" in shown
    assert "    第一行\n" in shown
    assert "\x1b[2J" not in shown
    found = json.loads(mparchive("notes", "--json").out)
    (post,) = found["posts"]
    assert {name: post[name] for name in ("biz", "aid", "starred", "tags", "changed_at")} == {
        "biz": BIZ,
        "aid": "1001_1",
        "starred": True,
        "tags": ["政策"],
        "changed_at": "2026-03-02T04:00:00+00:00",
    }
    assert [(one["name"], one["query"]) for one in found["searches"]] == [("我的搜索", {"q": "合成"})]


def test_exports_are_the_same_with_notes_and_search_finds_them(
    mparchive: Run, engine: Engine, tmp_path: Path
) -> None:
    for name in ("before", "after"):
        for ending in ("csv", "jsonl"):
            assert mparchive("export", "-o", tmp_path / f"{name}.{ending}").code == Exit.DONE
        note(engine)
    for ending in ("csv", "jsonl"):
        assert (tmp_path / f"before.{ending}").read_bytes() == (tmp_path / f"after.{ending}").read_bytes()
    assert [hit["aid"] for hit in json.loads(mparchive("search", "tag:政策", "--json").out)] == ["1001_1"]
    assert [hit["aid"] for hit in json.loads(mparchive("search", "is:starred", "--json").out)] == ["1001_1"]
