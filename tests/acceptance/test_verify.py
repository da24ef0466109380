"""`mparchive verify` by the command: what it says, its exit codes, and heads written down."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from openpyxl import load_workbook
from pyarrow import parquet

from archive.integrity.checks import CHECK_NAMES
from tests.acceptance.command import Command
from tests.acceptance.dumps import write_dump
from tests.standin import Standin

POSTS = 6


def test_a_crawled_archive_is_sound_and_what_is_touched_later_is_named_with_exit_code_7(
    fresh_database_url: str, tmp_path: Path
) -> None:
    dump, head = write_dump(tmp_path / "dump.json", POSTS), tmp_path / "head.json"
    with Standin(dump=dump) as standin:
        mparchive = Command(fresh_database_url, tmp_path, standin.origin)
        assert mparchive("backfill", dump).code == 0
    sound = mparchive("verify", "--save-head", head, "--json")
    assert (sound.code, sound.json["sound"], sound.json["findings"]) == (0, True, [])
    assert sound.json["checked"].keys() == set(CHECK_NAMES)
    assert json.loads(head.read_bytes()) == sound.json["heads"]
    entries = mparchive.number("SELECT count(*) FROM chain_entries")
    assert [one["length"] for one in sound.json["heads"]] == [entries]
    assert entries > 2 * POSTS  # a page and a version of each, and facts
    last = mparchive("status", "--json").json["last_runs"][0]
    assert (last["command"], last["verdict"], last["counts"]["found"]) == ("verify", "sound", 0)

    ((last,),) = mparchive.rows("SELECT max(id) FROM versions")
    mparchive.execute(f"UPDATE versions SET source = 'reparse' WHERE id = {last}")
    touched = mparchive("verify", "--only", "chains", "--head", head)
    assert touched.code == 7
    assert touched.out.decode().startswith(f"versions {last}: is not what was entered in its hash chain")

    mparchive.execute("DELETE FROM chain_entries WHERE position > 4")
    mparchive.execute(
        "UPDATE chains SET length = 4, digest = (SELECT digest FROM chain_entries WHERE position = 4)"
    )
    older = mparchive("verify", "--only", "bytes", "--head", head)
    assert older.code == 7
    assert f"has 4 entries, and had {entries} when its head was saved" in older.out.decode()


def test_a_call_that_cannot_be_meant_is_refused_in_a_sentence(mparchive: Command, tmp_path: Path) -> None:
    no_heads = tmp_path / "heads.json"
    no_heads.write_text('{"biz": 1}')
    for arguments, words in {
        ("--only", "pictures"): "there is no check 'pictures'; --only takes ties, ",
        ("--head", no_heads): "contains no heads; give a file of --save-head, a feed",
        ("--head", tmp_path / "none.json"): "cannot be read (No such file or directory)",
    }.items():
        done = mparchive("verify", *arguments)
        assert (done.code, done.out) == (2, b"")
        assert words in done.err


def digest_in(path: Path) -> str:
    """Return the digest of the archive's head that an exported file has."""
    if path.suffix == ".xlsx":
        return str(load_workbook(path).custom_doc_props["mparchive head"].value)
    if path.suffix == ".parquet":
        metadata = parquet.read_metadata(path).metadata
        return bytes(metadata[b"mparchive:head"]).decode()
    with closing(sqlite3.connect(path)) as database:
        ((digest,),) = database.execute("SELECT digest FROM head").fetchall()
        return str(digest)


@pytest.mark.parametrize("ending", ["xlsx", "sqlite", "parquet"])
def test_who_has_a_table_finds_an_archive_that_was_rewritten(
    mparchive: Command, tmp_path: Path, ending: str
) -> None:
    table, dump = tmp_path / f"posts.{ending}", write_dump(tmp_path / "dump.json", POSTS)
    assert mparchive("backfill", dump, "--no-fetch").code == 0
    assert mparchive("export", "--output", table).code == 0
    digest = digest_in(table)
    assert mparchive("backfill", write_dump(tmp_path / "more.json", POSTS + 2), "--no-fetch").code == 0
    assert mparchive("verify", "--head", digest).code == 0
    mparchive.execute("UPDATE heads SET digest = sha256(digest)")
    unknown = mparchive("verify", "--only", "bytes", "--head", digest.upper())
    assert (unknown.code, digest in unknown.out.decode()) == (7, True)
