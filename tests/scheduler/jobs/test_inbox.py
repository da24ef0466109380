"""The inbox: files put into a folder are taken in by the real command and moved beside it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine, text

from archive.db.engine import transaction
from archive.repository import frontier
from scheduler.config import InboxConfig
from scheduler.jobs import inbox
from scheduler.jobs.base import CrawlFailed, Interrupted, JobContext
from tests.archive.nobody import AS_NOBODY, becomes_nobody
from tests.scheduler.waiting import TIME, wait_for
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


def context(engine: Engine) -> JobContext:
    return JobContext(engine, "home", threading.Event())


def test_only_whole_files_wait(folder: Path) -> None:
    for name in ("b.txt", "a.json", ".hidden", "c.part", "~lock"):
        put(folder / name, "x")
    (folder / "being-written.txt").write_text("x")
    (folder / "done").mkdir()
    assert [path.name for path in inbox.waiting_files(folder)] == ["a.json", "b.txt"]
    assert inbox.waiting_files(folder / "nowhere") == []
    assert [order.queue for order in inbox.plan_inbox(InboxConfig(folder=folder))] == ["home"]
    assert inbox.plan_inbox(None) == []


def test_a_file_whose_time_lies_ahead_does_not_wait_for_it(folder: Path) -> None:
    put(folder / "packed-in-shanghai.txt", "x")
    ahead = time.time() + 8 * 3600
    os.utime(folder / "packed-in-shanghai.txt", (ahead, ahead))
    assert [path.name for path in inbox.waiting_files(folder)] == ["packed-in-shanghai.txt"]


def test_a_folder_that_cannot_be_used_is_a_problem_and_nothing_waits_in_it(folder: Path) -> None:
    assert inbox.inbox_problem(None) is inbox.inbox_problem(InboxConfig(folder=folder)) is None
    missing, file = folder / "nowhere", folder / "file"
    put(file, "x")
    assert str(inbox.inbox_problem(InboxConfig(folder=missing))).endswith(
        "nowhere cannot be read: no such file or directory"
    )
    assert str(inbox.inbox_problem(InboxConfig(folder=file))).endswith("file cannot be read: not a directory")
    assert inbox.waiting_files(missing) == inbox.waiting_files(file) == []


@pytest.mark.skipif(not becomes_nobody(), reason="only root can become another user")
def test_a_folder_of_somebody_elses_is_a_problem(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from scheduler.config import InboxConfig;"
        "from scheduler.jobs.inbox import inbox_problem;"
        "print(inbox_problem(InboxConfig(folder=Path(sys.argv[1]))))"
    )
    command = [*AS_NOBODY, sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "inbox cannot be written" in done.stdout


def test_a_file_that_is_still_written_while_it_is_taken_in_stays(
    engine: Engine, folder: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder / "list.txt", f"{WEEK[0].url}\n")
    take = inbox._backfill

    def written_meanwhile(path: Path, interrupt: threading.Event) -> tuple[int, str]:
        taken = take(path, interrupt)
        put(path, "".join(f"{post.url}\n" for post in WEEK[:2]))
        return taken

    monkeypatch.setattr(inbox, "_backfill", written_meanwhile)
    inbox.run_inbox(context(engine), InboxConfig(folder=folder))
    assert [path.name for path in folder.iterdir()] == ["list.txt"]
    monkeypatch.setattr(inbox, "_backfill", take)
    inbox.run_inbox(context(engine), InboxConfig(folder=folder))
    assert (folder / "done" / "list.txt").is_file()
    with transaction(engine) as session:
        assert len(frontier.due_addresses(session, context(engine).now(), 10)) == 2


def test_what_is_good_is_taken_in_and_what_is_not_is_put_aside_with_the_reason(
    engine: Engine, folder: Path, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    put(folder / "list.txt", "".join(f"{post.url}\n" for post in WEEK[:3]))
    put(folder / "nonsense.json", "{")
    (folder / "done").mkdir()
    (folder / "done" / "list.txt").write_text("an earlier one")
    inbox.run_inbox(context(engine), InboxConfig(folder=folder))
    assert "not_asked=3" in capsys.readouterr().out
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {
        "list.txt", "list-1.txt", "nonsense.json", "nonsense.json.why.txt",
    }  # fmt: skip
    assert (folder / "refused" / "nonsense.json").is_file()
    assert "nonsense.json" in (folder / "refused" / "nonsense.json.why.txt").read_text()
    with transaction(engine) as session:
        assert len(frontier.due_addresses(session, context(engine).now(), 10)) == 3


def test_without_a_database_the_file_stays_for_the_next_try(
    engine: Engine, folder: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder / "list.txt", WEEK[0].url)
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", "postgresql://127.0.0.1:9/nowhere")
    with pytest.raises(CrawlFailed, match=r"list\.txt could not be imported: .*database"):
        inbox.run_inbox(context(engine), InboxConfig(folder=folder))
    assert (folder / "list.txt").is_file()


def test_a_file_that_its_reader_breaks_on_keeps_no_other_waiting(
    engine: Engine, folder: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder / "a.json", "[]")
    put(folder / "b.txt", WEEK[0].url)
    take = inbox._backfill

    def breaks(path: Path, interrupt: threading.Event) -> tuple[int, str]:
        return (-signal.SIGKILL, "") if path.name == "a.json" else take(path, interrupt)

    monkeypatch.setattr(inbox, "_backfill", breaks)
    inbox.run_inbox(context(engine), InboxConfig(folder=folder))
    assert "exit code -9" in (folder / "refused" / "a.json.why.txt").read_text()
    assert (folder / "done" / "b.txt").is_file()


def test_a_file_whose_reader_was_told_to_stop_stays(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder / "a.json", "[]")
    monkeypatch.setattr(inbox, "_backfill", lambda *_: (130, "stopped"))
    with pytest.raises(CrawlFailed, match="stopped"):
        inbox.run_inbox(context(engine), InboxConfig(folder=folder))
    assert (folder / "a.json").is_file()


def test_a_worker_that_stops_leaves_the_file_where_it_is(
    engine: Engine, folder: Path, environment: dict[str, str]
) -> None:
    put(folder / "list.txt", json.dumps([]))
    stopping = context(engine)
    stopping.interrupt.set()
    with pytest.raises(Interrupted):
        inbox.run_inbox(stopping, InboxConfig(folder=folder))
    assert (folder / "list.txt").is_file()


def test_what_takes_a_file_in_ends_with_a_worker_that_is_killed(
    engine: Engine, folder: Path, environment: dict[str, str]
) -> None:
    put(folder / "list.txt", WEEK[0].url)
    script = (
        "import threading; from pathlib import Path; from scheduler.config import InboxConfig;"
        " from scheduler.jobs.base import JobContext; from scheduler.jobs import inbox;"
        " context = JobContext(None, 'home', threading.Event());"
        f" inbox.run_inbox(context, InboxConfig(folder=Path({str(folder)!r})))"
    )
    with transaction(engine) as session:
        session.execute(text("LOCK TABLE runs"))  # what is taken in waits for it
        worker = psutil.Popen([sys.executable, "-c", script], env={**os.environ, **environment})
        wait_for(worker.children)
        family = worker.children()
        worker.kill()
        _, alive = psutil.wait_procs([worker, *family], timeout=TIME)
        assert alive == []
    assert (folder / "list.txt").is_file()
