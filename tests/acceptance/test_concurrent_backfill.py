"""Several commands given one list at once: each post is fetched once, and each says what the others did."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.command import EXECUTABLE, TIMEOUT, Command
from tests.acceptance.dumps import write_dump
from tests.standin import Standin

CommandAt = Callable[[str], Command]
POSTS = 12
AT_ONCE = 4


def run_at_once(command: Command, arguments: list[str], number: int) -> list[tuple[int, Counter[str]]]:
    """Run a command so many times at once; return the exit code and the counts of each."""
    running = [
        subprocess.Popen(
            [EXECUTABLE, *arguments, "--json"],
            env=command.environment,
            cwd=command.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(number)
    ]
    ended = [(process.communicate(timeout=TIMEOUT)[0], process.returncode) for process in running]
    return [(code, Counter(json.loads(out)["counts"])) for out, code in ended]


@pytest.mark.parametrize("form", ["list.txt", "dump.json"])
def test_commands_with_one_list_fetch_each_post_once_and_all_end_well(
    mparchive_at: CommandAt, tmp_path: Path, form: str
) -> None:
    dump = write_dump(tmp_path / "dump.json", POSTS)
    urls = [record["链接url"] for record in json.loads(dump.read_text(encoding="utf-8"))]
    (tmp_path / "list.txt").write_text("\n".join(urls), encoding="utf-8")
    with Standin(dump=dump) as standin:
        command = mparchive_at(standin.origin)
        command("status")  # creates the tables
        ended = run_at_once(command, ["backfill", form, "--no-media"], AT_ONCE)
        assert standin.stats()["total"] == POSTS
    assert [code for code, _ in ended] == [0] * AT_ONCE
    for _, counts in ended:
        assert counts["not_asked"] == counts["with_another"] == 0
    fetched = sum(counts["new"] + counts["unchanged"] + counts["changed"] for _, counts in ended)
    if form == "list.txt":
        assert fetched == POSTS
        accounted = [counts["new"] + counts["by_another"] + counts["known"] for _, counts in ended]
        assert accounted == [POSTS] * AT_ONCE
    assert command.number("SELECT count(*) FROM captures") == POSTS


def test_all_end_as_the_work_ended_when_the_server_demands_verification(
    mparchive_at: CommandAt, tmp_path: Path
) -> None:
    dump = write_dump(tmp_path / "dump.json", POSTS)
    with Standin(dump=dump) as standin:
        standin.fault("verification", after=5, times=1)
        command = mparchive_at(standin.origin)
        command("status")
        ended = run_at_once(command, ["backfill", "dump.json", "--no-media"], 2)
    assert [code for code, _ in ended] == [5, 5]
    archived = command.number("SELECT count(*) FROM parse_results WHERE is_current AND outcome = 'article'")
    assert sorted(counts["by_another"] for _, counts in ended) == [0, archived]
