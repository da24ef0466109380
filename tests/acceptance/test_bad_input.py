"""Bad input: one sentence with file and place, the documented exit code, and the good records kept."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command import Command
from tests.acceptance.dumps import dump_bytes, record

GOOD = record(1)
ADDRESS = GOOD["链接url"]


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in record(2).items() if key != name}


# What is in the file, the exit code, words of the sentence, how many records or addresses are kept.
DUMPS: dict[str, tuple[bytes, int, tuple[str, ...], int]] = {
    "a field is missing": (dump_bytes([GOOD, without("标题title")]), 3, ("record 2", "标题title"), 1),
    "a number for a string": (dump_bytes([GOOD, record(2, date=20251101)]), 3, ("record 2", "int"), 1),
    "a date that is none": (dump_bytes([GOOD, record(2, date="2025-13-01")]), 3, ("record 2", "时间time"), 1),
    "a record that is none": (dump_bytes([GOOD, 7, record(3)]), 3, ("record 2", "int"), 2),
    "an aid twice": (dump_bytes([GOOD, record(1, text="另一篇")]), 3, ("record 2", "record 1"), 1),
    "an aid of another post": (dump_bytes([GOOD, record(2, aid="1_1")]), 3, ("record 2", "1_1"), 1),
    "another host": (
        dump_bytes([GOOD, record(2, url=ADDRESS.replace("mp.weixin.qq.com", "example.org"))]), 3,
        ("record 2", "example.org"), 1,
    ),
    "a port": (
        dump_bytes([GOOD, record(2, url=ADDRESS.replace("qq.com", "qq.com:80"))]), 3, ("record 2", "port"), 1
    ),
    "cut off": (dump_bytes([GOOD, record(2)])[:-2], 3, ("record 2", "JSON"), 1),
    "cut within a character": (dump_bytes([GOOD, record(2)])[:-4], 3, ("record 2", "UTF-8"), 1),
    "not UTF-8": (dump_bytes([GOOD]) + b"\xff", 3, ("record 2", "UTF-8"), 1),
    "something behind": (dump_bytes([GOOD]) + b"[]", 3, ("record 2", "]"), 1),
    "not a single good record": (dump_bytes([without("链接url")]), 2, ("record 1", "链接url"), 0),
    "nested without end": (b"[" * 200_000, 2, ("record 1", "nested"), 0),
    "a record of 40 MB": (dump_bytes([GOOD, record(2, text="长" * 14_000_000)]), 3, ("record 2",), 1),
    "no record": (b"[]", 2, ("bad.json", "without any record"), 0),
    "empty": (b"", 2, ("bad.json", "empty"), 0),
    "an object": (json.dumps({"a": GOOD}).encode()[:-1], 2, ("record 1",), 0),
    "not JSON": (b"hello", 2, ("bad.json", "["), 0),
}  # fmt: skip
LISTS: dict[str, tuple[bytes, int, tuple[str, ...], int]] = {
    "another host": (f"{ADDRESS}\nhttp://example.org/s/x\n".encode(), 3, ("line 2", "example.org"), 1),
    "a port": (f"http://mp.weixin.qq.com:8080/s/abcdefghijkl\n{ADDRESS}".encode(), 3, ("line 1", "port"), 1),
    "no address": (b"# nothing yet\r\n\r\n", 2, ("bad.txt", "no address"), 0),
    "a line of 40 MB": (ADDRESS.encode() + b"\n" + b"x" * 40_000_000, 3, ("line 2", "long"), 1),
    "bytes of a program": (b"\x7fELF\0\0\0", 2, ("bad.txt", "neither"), 0),
}


@pytest.mark.parametrize("case", DUMPS)
def test_a_bad_dump_costs_only_what_is_bad(mparchive: Command, tmp_path: Path, case: str) -> None:
    content, code, words, kept = DUMPS[case]
    (tmp_path / "bad.json").write_bytes(content)
    done = mparchive("backfill", tmp_path / "bad.json", "--no-fetch")
    _told(done.err, ("bad.json", *words))
    assert done.code == code
    assert mparchive.number("SELECT count(*) FROM posts") == kept


@pytest.mark.parametrize("case", LISTS)
def test_a_bad_list_costs_only_what_is_bad(mparchive: Command, tmp_path: Path, case: str) -> None:
    content, code, words, kept = LISTS[case]
    (tmp_path / "bad.txt").write_bytes(content)
    done = mparchive("backfill", tmp_path / "bad.txt", "--no-fetch")
    _told(done.err, ("bad.txt", *words))
    assert done.code == code
    assert mparchive.number("SELECT count(*) FROM addresses") == kept


def test_several_inputs_do_not_spoil_each_other(mparchive: Command, tmp_path: Path) -> None:
    (tmp_path / "good.json").write_bytes(dump_bytes([GOOD]))
    done = mparchive("backfill", tmp_path / "nowhere.json", tmp_path / "good.json", "--no-fetch")
    _told(done.err, ("nowhere.json", "no such file"))
    assert done.code == 3
    assert mparchive.number("SELECT count(*) FROM posts") == 1


@pytest.mark.parametrize(
    "address", ["https://example.org/s/abc", "http://mp.weixin.qq.com:8080/s/abcdefghijkl"]
)
def test_an_address_elsewhere_is_refused(mparchive: Command, address: str) -> None:
    done = mparchive("backfill", address)
    _told(done.err, ("mp.weixin.qq.com",))
    assert done.code == 2


def test_an_unreachable_database_is_said_in_a_sentence(tmp_path: Path) -> None:
    away = Command("postgresql://someone:secret-word@127.0.0.1:9/nothing", tmp_path)
    done = away("status")
    _told(done.err, ("MPARCHIVE_DATABASE_URL",))
    assert "secret-word" not in done.err
    assert done.code == 6


def test_a_wrong_setting_is_wrong_input(mparchive: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPARCHIVE_RETRY_TIMES", "often")
    done = mparchive("backfill", ADDRESS)
    _told(done.err, ("MPARCHIVE_RETRY_TIMES is 'often'",))
    assert done.code == 2


def test_an_unknown_option_is_a_wrong_call(mparchive: Command) -> None:
    assert mparchive("export", "--format", "xml").code == 2


def test_a_post_that_is_not_there_is_said(mparchive: Command) -> None:
    done = mparchive("show", "1_1")
    _told(done.err, ("1_1",))
    assert done.code == 2


def test_a_page_that_is_not_there_is_said(mparchive: Command) -> None:
    done = mparchive("parse", "nowhere.html")
    _told(done.err, ("nowhere.html",))
    assert done.code == 2


def _told(err: str, words: tuple[str, ...]) -> None:
    assert "Traceback" not in err
    for word in words:
        assert word in err, err[:500]
