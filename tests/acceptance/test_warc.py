"""Captures out as WARC and in again, by the command: the same bytes, times, outcomes, posts, versions."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from archive.db.settings import ArchiveSettings
from archive.storage.media_files import MediaFolder
from tests.acceptance.command import Command
from tests.archive.filled import answers, fill
from tests.mparchive.importers.test_warc import LONG, Writer
from tests.standin.pages import Shown
from tests.standin.posts import POSTS as SHOWN
from tests.support.database import database_from

CAPTURES = """
SELECT requested_url, final_url, status, headers::text, encode(sha256, 'hex'), fetched_at, rendered,
       evaluated::text, outcome, reason, parser_version FROM captures c
JOIN parse_results r ON r.capture_id = c.id AND is_current ORDER BY c.id
"""
POSTS = """
SELECT aid, p.title, text, url, kind, published_at, p.source FROM posts p
LEFT JOIN versions v ON v.id = current_version_id ORDER BY aid
"""
VERSIONS = """
SELECT p.aid, v.number, v.title, v.text, v.source, v.parser_version FROM versions v
JOIN posts p ON p.id = post_id ORDER BY p.aid, v.number
"""


@pytest.fixture
def filled(engine: Engine, mparchive: Command) -> Command:
    """Return the command with an archive that has one of everything; the two fixtures share the database."""
    fill(engine, MediaFolder(ArchiveSettings(home=mparchive.home)))
    return mparchive


def test_what_was_exported_comes_in_again_as_it_was(
    filled: Command, tmp_path: Path, server_url: str, template: str
) -> None:
    for form in ("warc", "wacz"):
        done = filled("export", "--format", form, "--output", tmp_path / f"a.{form}")
        assert (done.code, done.err) == (0, f"{len(answers())} captures exported\n")
    for url in database_from(server_url, f"TEMPLATE {template}"):
        other = replace(filled, database_url=url)
        taken = other("backfill", tmp_path / "a.wacz", "--no-fetch", "--json")
        assert (taken.code, taken.json["counts"].get("bad_input")) == (0, None)
        for query in (CAPTURES, POSTS, VERSIONS):
            assert other.rows(query) == filled.rows(query)
        assert other.number("SELECT max(number) FROM versions") > 1
        again = other("backfill", tmp_path / "a.warc", "--no-fetch", "--json")
        assert again.json["counts"].get("new", 0) == 0
        assert other.number("SELECT count(*) FROM captures") == len(answers())


@pytest.mark.filterwarnings("ignore:.*(tempfile|Temporary).*")  # warcio's writer
def test_a_page_that_is_yet_to_come_is_not_taken_for_it_would_hide_all_later_ones(
    mparchive: Command, tmp_path: Path
) -> None:
    body = b"".join(Shown(SHOWN[0]).render(2000))
    saved, warc = tmp_path / "page.html", tmp_path / "a.warc"
    saved.write_bytes(body)
    os.utime(saved, (0, 4_000_000_000))
    writer = Writer().add(body, SHOWN[0].url, WARC_Date="9999-12-31T23:59:59Z")
    warc.write_bytes(writer.add(b"<html></html>", LONG.format(2)).content)
    taken = mparchive("backfill", saved, warc, "--no-fetch", "--json")
    assert (taken.code, mparchive.number("SELECT count(*) FROM posts")) == (3, 0)
    assert [line.partition(", which is in the future; ")[0] for line in taken.err.splitlines()] == [
        f"{saved} is dated 2096-10-02 07:06 UTC",
        f"{warc} #1 is dated 9999-12-31 23:59 UTC",
    ]
