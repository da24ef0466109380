"""Surroundings that a machine may have: each is one sentence with the remedy, and a documented exit code."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mparchive.errors import Exit
from tests.acceptance.command import EXECUTABLE, TIMEOUT, Command
from tests.acceptance.dumps import write_dump
from tests.archive.backup.own_server import own_server
from tests.scheduler.waiting import wait_for
from tests.standin.week import WEEK

ACCOUNT = '[[accounts]]\nbiz = "Mzk5OTAwMDAwMQ=="\nname = "合成"\n'
BOM = b"\xef\xbb\xbf"
ROOT = Path(__file__).parents[2]
CODES = {int(code) for code in Exit}


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


def run(command: Command, *arguments: object, cwd: Path | None = None, **environment: str) -> Ended:
    """Run the command with further variables; a failure has a documented code and no traceback."""
    done = subprocess.run(
        [EXECUTABLE, *map(str, arguments)],
        env=command.environment | environment,
        cwd=cwd or command.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode in CODES
    assert "Traceback" not in err
    return Ended(done.returncode, out, err)


@pytest.mark.parametrize(
    "name", ["with some spaces", "文件夹 中文", "p" * 200], ids=["spaces", "chinese", "long"]
)
def test_a_folder_may_have_any_name(mparchive: Command, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    write_dump(folder / f"{name}.json", 2)
    inside = {"MPARCHIVE_HOME": str(folder / "home")}
    assert run(mparchive, "backfill", folder / f"{name}.json", "--no-fetch", cwd=folder, **inside).code == 0
    assert run(mparchive, "init", f"{name}.json", cwd=folder, **inside).code == 0
    assert run(mparchive, "config", "check", cwd=folder, **inside).code == 0
    assert run(mparchive, "export", "--output", folder / "out.csv", cwd=folder, **inside).code == 0
    assert (folder / "out.csv").stat().st_size > 0


def test_a_crawl_needs_no_short_folder_for_temporary_files_and_leaves_nothing_there(
    mparchive: Command, tmp_path: Path
) -> None:
    (temporary := tmp_path / ("t" * 200)).mkdir()
    replay = ("--replay", ROOT / "cassettes" / "week-1.yaml", "--no-media")
    done = run(mparchive, "backfill", WEEK[0].url, *replay, TMPDIR=str(temporary))
    assert (done.code, list(temporary.iterdir())) == (0, []), done.err


@pytest.mark.parametrize(
    "locale",
    [
        {"LANG": "C", "LC_ALL": "C"},
        {"LANG": "POSIX", "LC_ALL": "POSIX", "PYTHONUTF8": "0"},
        {"LC_ALL": "no_SUCH.locale"},
        {"TZ": "America/St_Johns"},
        {"TZ": "Mars/Phobos"},
        {"TZ": ":"},
    ],
    ids=lambda locale: "-".join(f"{name}={value}" for name, value in locale.items()),
)
def test_the_locale_and_time_zone_change_no_byte(
    mparchive: Command, tmp_path: Path, locale: Mapping[str, str]
) -> None:
    dump = write_dump(tmp_path / "dump.json", 3)
    assert run(mparchive, "backfill", dump, "--no-fetch").code == 0
    for arguments in (["export"], ["list", "--json"], ["export", "--format", "csv"]):
        assert run(mparchive, *arguments, **locale) == run(mparchive, *arguments), arguments


def test_a_home_that_is_not_there_or_may_not_be_written_is_one_sentence(
    mparchive: Command, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", Path("/proc/nowhere"), tmp_path / ("h" * 300)):
        done = run(mparchive, "list", MPARCHIVE_DATABASE_URL="", MPARCHIVE_HOME=str(home))
        assert (done.code, done.out, done.err.count("\n")) == (Exit.DATABASE, "", 1)
        assert "set MPARCHIVE_HOME" in done.err


def test_without_a_home_the_configuration_is_still_checked(mparchive: Command, tmp_path: Path) -> None:
    (tmp_path / "mparchive.toml").write_text(ACCOUNT, encoding="utf-8")
    done = subprocess.run(
        [EXECUTABLE, "config", "check"],
        env={"PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, b"valid" in done.stderr) == (0, True), done.stderr


@dataclass(frozen=True)
class Wrong:
    """A configuration file that is wrong by its bytes, and words of the sentence about it."""

    content: bytes
    words: str
    code: Exit = Exit.USAGE


@pytest.mark.parametrize(
    "file",
    [
        Wrong(
            b"\xef\xbb\xbf" + ACCOUNT.encode().replace(b" = ", b"\t=\t").replace(b"\n", b"\r\n"),
            "is valid",
            Exit.DONE,
        ),
        Wrong(ACCOUNT.replace("合成", "合\t成").encode(), "without control characters"),
        Wrong(ACCOUNT.encode("utf-16"), "save the file as UTF-8"),
        Wrong(ACCOUNT.encode("gbk"), "line 3: it is not UTF-8"),
        Wrong(ACCOUNT.replace("biz", "bizz").encode(), "did you mean biz?"),
        Wrong(ACCOUNT.replace('"合成"', "“合成”").encode(), "line 3"),
        Wrong(b"", "[[accounts]]"),
    ],
    ids=["bom-tabs-crlf", "tab-in-text", "utf-16", "gbk", "misspelt", "chinese-quotes", "empty"],
)
def test_a_configuration_saved_by_any_editor_is_read_or_named(
    mparchive: Command, tmp_path: Path, file: Wrong
) -> None:
    (tmp_path / "mparchive.toml").write_bytes(file.content)
    for arguments in [["config", "check"], *([["run"]] if file.code else [])]:
        done = run(mparchive, *arguments)
        assert (done.code, done.out, file.words in done.err) == (file.code, "", True), done.err
        assert done.err.count("\n") == 1


def test_a_misspelt_variable_is_named_once_and_harms_nothing(mparchive: Command, tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump.json", 1)
    done = run(mparchive, "backfill", dump, "--no-fetch", MPARCHIVE_DOWNLOAD_DELYA="3")
    assert done.code == 0
    assert done.err.count("did you mean MPARCHIVE_DOWNLOAD_DELAY?") == 1
    assert "MPARCHIVE_SOMETHING" not in run(mparchive, "list", MPARCHIVE_SOMETHING="ours alone").err


def test_a_clock_that_is_years_off_ends_no_command(mparchive: Command, tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump.json", 2)
    for now in ("1971-01-01T00:00:00+00:00", "2126-01-01T00:00:00+00:00"):
        (tmp_path / "now").write_text(now, encoding="ascii")
        off = {"MPARCHIVE_NOW": str(tmp_path / "now")}
        for arguments in (["backfill", dump, "--no-fetch"], ["status"], ["list"]):
            assert run(mparchive, *arguments, **off).code == 0


def test_an_older_program_says_that_a_newer_one_has_used_the_archive(mparchive: Command) -> None:
    assert run(mparchive, "status").code == 0
    mparchive.execute("UPDATE alembic_version SET version_num = '9999'")
    for arguments in (["list"], ["status"], ["run"], ["export"]):
        (mparchive.home / "mparchive.toml").write_text(ACCOUNT, encoding="utf-8")
        done = run(mparchive, *arguments)
        assert (done.code, done.err.count("\n")) == (Exit.DATABASE, 1), done.err
        assert re.search(r"newer|update", done.err), done.err


def test_a_wrong_password_is_one_sentence_without_the_password(mparchive: Command) -> None:
    rule = "local all locked scram-sha-256"
    with own_server() as server:
        server.sh("psql -d postgres -c \"CREATE ROLE locked LOGIN PASSWORD 'the-right-one'\"")
        server.sh(f"sed -i '1i {rule}' data/pg_hba.conf && pg_ctl reload")
        url = server.database_url.replace("postgres@", "locked:not-this-one@")
        done = run(mparchive, "list", MPARCHIVE_DATABASE_URL=url)
    assert (done.code, done.out, done.err.count("\n")) == (Exit.DATABASE, "", 1), done.err
    assert "password authentication failed" in done.err
    assert "MPARCHIVE_DATABASE_URL" in done.err
    assert "not-this-one" not in done.err


def test_a_second_daemon_says_that_there_is_one(mparchive: Command, tmp_path: Path) -> None:
    (tmp_path / "mparchive.toml").write_text(ACCOUNT, encoding="utf-8")
    first, second = (tmp_path / name for name in ("first", "second"))
    with started(mparchive, first):
        with started(mparchive, second):
            wait_for(lambda: "second_scheduler" in second.read_text())
        wait_for(lambda: "daemon_started" in first.read_text())
        assert "second_scheduler" not in first.read_text()


@contextmanager
def started(command: Command, log: Path) -> Iterator[None]:
    """Run the daemon for the block, from when it has started."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [EXECUTABLE, "run"], env=command.environment, cwd=command.home, stdout=output, stderr=output
        )
    try:
        wait_for(lambda: "daemon_started" in log.read_text() or process.poll() is not None)
        yield
    finally:
        process.terminate()
        assert process.wait(60) == 0, log.read_text()
