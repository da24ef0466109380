"""Looking at posts and pages: parse, show, status."""

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mparchive.cli import app
from tests.acceptance.command import Command
from tests.acceptance.dumps import dump_bytes, record
from tests.support.captures import CAPTURES, capture_names, needs_captures

KEYS = ["outcome", "kind", "post", "page"]
FIELDS = list(record(0))
OUTCOMES = {
    "error_deleted": "deleted",
    "error_violation": "violation",
    "error_expired": "expired_link",
    "error_freq": "rate_limited",
    "error_verify": "verification",
}


@needs_captures
@pytest.mark.parametrize("name", capture_names("*"))
def test_every_real_capture_is_told_for_what_it_is(name: str) -> None:
    done = CliRunner().invoke(app, ["parse", str(CAPTURES / name), "--json"])
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert list(told) == KEYS
    folder = name.partition("/")[0]
    is_article = folder.startswith("article_")
    assert (told["outcome"] == "article") is is_article
    assert told["outcome"] == OUTCOMES.get(folder, told["outcome"])
    assert told["post"] is None or list(told["post"]) == FIELDS


@pytest.mark.parametrize("folder", ["article_normal", "error_deleted", "json_album"])
def test_the_installed_command_reads_a_page_of_a_file_and_of_standard_input(
    mparchive: Command, shared: Path, folder: str
) -> None:
    path = CAPTURES / capture_names(folder)[0]
    of_file = mparchive("parse", path, "--json")
    of_stdin = mparchive("parse", "-", "--json", stdin=gzip.decompress(path.read_bytes()))
    assert (of_file.code, of_stdin.code) == (0, 0)
    assert of_file.json == of_stdin.json
    assert of_file.json["outcome"] in mparchive("parse", path).out.decode()


def test_a_post_is_shown_in_words_as_text_and_as_json(mparchive: Command) -> None:
    mparchive("backfill", "-", "--no-fetch", stdin=dump_bytes([record(1)]))
    aid = record(1)["文章标识符aid"]
    assert record(1)["标题title"] in mparchive("show", aid).out.decode()
    assert mparchive("show", aid, "--text").out.decode().strip("\n") == "第1号公告全文，纯属虚构。\n&nbsp;完"
    assert mparchive("show", aid, "--json").json["post"] == record(1)


def test_a_page_that_was_never_fetched_cannot_be_shown_raw(mparchive: Command) -> None:
    mparchive("backfill", "-", "--no-fetch", stdin=dump_bytes([record(1)]))
    done = mparchive("show", record(1)["文章标识符aid"], "--raw")
    assert (done.code, done.out) == (2, b"")
    assert "without its page" in done.err


def test_the_history_lists_every_state(mparchive: Command) -> None:
    for title in ("原来的题目", "改过的题目"):
        mparchive("backfill", "-", "--no-fetch", stdin=dump_bytes([record(1, title=title)]))
    history = mparchive("show", record(1)["文章标识符aid"], "--history").out.decode()
    assert "原来的题目" in history
    assert "改过的题目" in history


def test_the_status_counts_what_there_is(mparchive: Command) -> None:
    mparchive("backfill", "-", "--no-fetch", stdin=dump_bytes([record(1), record(2)]))
    status = mparchive("status", "--json").json
    assert (status["posts"], status["versions"], status["captures"], status["due"]) == (2, 2, 0, 2)
    assert "合成测试账号" in mparchive("status").out.decode()
