"""Telling inputs apart, and their bounds."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mparchive.importers import open
from mparchive.importers.items import InputError
from mparchive.importers.open import Form, is_address, open_source


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (b'[{"a": 1}]', Form.DUMP),
        (b"\xef\xbb\xbf \r\n[", Form.DUMP),
        (b"<!DOCTYPE html>", Form.PAGE),
        (b"\n<html>", Form.PAGE),
        (b"https://mp.weixin.qq.com/s/x", Form.LIST),
        (b'{"articalList": []}', Form.ACCOUNTS),
        (b"WARC/1.1\r\n", Form.WARC),
        ("链接\n".encode("utf-16"), Form.LIST),
        ('<!DOCTYPE html><html lang="zh">https://mp.weixin.qq.com/s/x'.encode("utf-16"), Form.PAGE),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<!DOCTYPE html>\n<HTML>", Form.PAGE),
        (b"HTTP/1.1 200 OK\nhttps://mp.weixin.qq.com/s/x", Form.LIST),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_content_tells_what_an_input_is(tmp_path: Path, content: bytes, form: Form, packed: bool) -> None:
    path = tmp_path / "input"
    path.write_bytes(gzip.compress(content) if packed else content)
    with open_source(str(path)) as opened:
        assert opened.form is form
        assert opened.stream.read() == content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\x7fELF\0", "neither a dump"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-9], "damaged gzip"),
        (b"\x1f\x8bnot gzip at all", "damaged gzip"),
    ],
)
def test_what_is_no_input_is_said_in_a_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "input"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as raised, open_source(str(path)):
        pass
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("packed", [False, True])
def test_no_input_is_larger_than_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr(open, "MAX_INPUT", 1000)
    path = tmp_path / "input"
    path.write_bytes(gzip.compress(b"[" * 1001) if packed else b"[" * 1001)
    with pytest.raises(InputError, match="more than 1000 bytes"), open_source(str(path)):
        pass


def test_a_folder_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: is a directory"), open_source(str(tmp_path)):
        pass


def test_the_time_of_an_input_is_its_files_in_utc(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(b"<html>")
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    with open_source(str(path)) as opened:
        assert (opened.written_at, opened.written_at.tzinfo) == (written, UTC)


def test_addresses_are_told_from_files() -> None:
    assert is_address("https://mp.weixin.qq.com/s/x")
    assert is_address("mp.weixin.qq.com/s/x")
    assert not is_address("mp.weixin.qq.com.json")
