"""`mparchive verify` by the command: what it says, its exit codes, and heads written down."""

import json
from pathlib import Path

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
