"""Commands given by hand at the same time: one after the other, and nothing stays with one that is killed."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import Engine

from archive.db.advisory_locks import Hosts, egress_lock
from archive.db.engine import transaction
from archive.repository.frontier import has_due_address
from tests.acceptance.command import Command
from tests.acceptance.dumps import write_dump
from tests.standin import Standin

EACH = 2  # posts a command
SLOW = 0.3  # seconds the server takes for a page: two that went at once would show


def test_commands_at_one_line_crawl_one_after_the_other_and_one_that_is_killed_keeps_nothing_from_others(
    engine: Engine, fresh_database_url: str, tmp_path: Path
) -> None:
    dump = write_dump(tmp_path / "dump.json", 3 * EACH)
    urls = [record["链接url"] for record in json.loads(dump.read_bytes())]
    lists = [urls[start : start + EACH] for start in range(0, len(urls), EACH)]
    with Standin(dump=dump) as standin:
        standin.fault("slow", seconds=SLOW)
        command = Command(fresh_database_url, tmp_path, standin.origin)
        with egress_lock(engine, "default", Hosts.PAGES) as mine:
            assert mine
            started = [_started(command, one) for one in lists]
            assert [b"waiting for its end" in _first_words_of(one) for one in started] == [True] * 3
            killed, *others = started
            assert (standin.stats()["total"], _is_due(engine)) == (0, False)
            killed.kill()
            killed.communicate()
            while not _is_due(engine):  # as soon as the database has seen that its connection is closed
                pass
        said = [one.communicate(timeout=100) for one in others]
        assert [one.returncode for one in others] == [0, 0], said
        asked = [_mid(request["target"]) for request in standin.stats()["requests"]]
    expected = [{_mid(url) for url in one} for one in lists[1:]]
    assert [set(asked[:EACH]), set(asked[EACH:])] in (expected, expected[::-1])
    assert len(asked) == 2 * EACH


def _started(command: Command, urls: list[str]) -> "subprocess.Popen[bytes]":
    """Start a backfill of these addresses."""
    path = command.home / f"{_mid(urls[0])}.txt"
    path.write_text("\n".join(urls), encoding="utf-8")
    return command.start("backfill", path, "--no-media", listen=True)


def _first_words_of(command: "subprocess.Popen[bytes]") -> bytes:
    assert command.stderr
    return command.stderr.readline()


def _mid(url: str) -> str:
    return parse_qs(urlsplit(url).query)["mid"][0]


def _is_due(engine: Engine) -> bool:
    with transaction(engine) as session:
        return has_due_address(session, datetime.now(UTC))
