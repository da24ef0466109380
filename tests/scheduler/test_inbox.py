"""The inbox: files put into a folder are taken in by the real command and moved beside it."""

import json
import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine

from archive import queries
from archive.database import transaction
from scheduler.config import Inbox
from scheduler.hands import CrawlFailed, Hands, Interrupted
from scheduler.work import inbox
from tests.standin.week import WEEK

LONG_AGO = 1_000_000_000  # seconds since 1970


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "inbox"
    made.mkdir()
    return made


def put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, (LONG_AGO, LONG_AGO))


def hands(engine: Engine) -> Hands:
    return Hands(engine, "home", threading.Event())


def test_only_whole_files_wait(folder: Path) -> None:
    for name in ("b.txt", "a.json", ".hidden", "c.part", "~lock"):
        put(folder / name, "x")
    (folder / "being-written.txt").write_text("x")
    (folder / "done").mkdir()
    assert [path.name for path in inbox.waiting(folder)] == ["a.json", "b.txt"]
    assert inbox.waiting(folder / "nowhere") == []
    assert [order.queue for order in inbox.orders(Inbox(folder=folder))] == ["home"]
    assert inbox.orders(None) == []


def test_what_is_good_is_taken_in_and_what_is_not_is_put_aside_with_the_reason(
    engine: Engine, folder: Path, environment: dict[str, str]
) -> None:
    put(folder / "list.txt", "".join(f"{post.url}\n" for post in WEEK[:3]))
    put(folder / "nonsense.json", "{")
    (folder / "done").mkdir()
    (folder / "done" / "list.txt").write_text("an earlier one")
    inbox.do(hands(engine), Inbox(folder=folder))
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {
        "list.txt", "list-1.txt", "nonsense.json", "nonsense.json.why.txt",
    }  # fmt: skip
    assert (folder / "refused" / "nonsense.json").is_file()
    assert "nonsense.json" in (folder / "refused" / "nonsense.json.why.txt").read_text()
    with transaction(engine) as session:
        assert len(queries.due_addresses(session, hands(engine).now(), 10)) == 3


def test_without_a_database_the_file_stays_for_the_next_try(
    engine: Engine, folder: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder / "list.txt", WEEK[0].url)
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", "postgresql://127.0.0.1:9/nowhere")
    with pytest.raises(CrawlFailed, match=r"list\.txt could not be taken in: .*database"):
        inbox.do(hands(engine), Inbox(folder=folder))
    assert (folder / "list.txt").is_file()


def test_a_worker_that_stops_leaves_the_file_where_it_is(
    engine: Engine, folder: Path, environment: dict[str, str]
) -> None:
    put(folder / "list.txt", json.dumps([]))
    stopping = hands(engine)
    stopping.interrupt.set()
    with pytest.raises(Interrupted):
        inbox.do(stopping, Inbox(folder=folder))
    assert (folder / "list.txt").is_file()
