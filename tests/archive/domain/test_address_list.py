"""Lists of addresses in text, tables, JSON and JSON Lines."""

import io
import json
from datetime import date

import pytest

from archive.domain import address_list
from archive.domain.address_list import ListedAddress, UnlistedLines, UnreadRest, read_addresses
from archive.domain.address_text import FoundAddress, addresses_in_json, is_bookmarks
from archive.domain.messages import Message

SHORT = "https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"


def test_any_field_may_hold_an_address_with_the_title_and_date_beside_it() -> None:
    entry = {"标题": "合成", "date": "2026-03-01", "any": {"title": "内", "link": f"{SHORT}a"}, "x": SHORT}
    assert addresses_in_json(json.dumps([entry])) == [
        FoundAddress(f"{SHORT}a", "内"),
        FoundAddress(SHORT, "合成", "2026-03-01"),
    ]


def test_a_broken_line_costs_only_itself() -> None:
    lines = [json.dumps({"url": f"{SHORT}a"}), '{"url": "', json.dumps({"url": f"{SHORT}b"})]
    assert [one.url[-1] for one in addresses_in_json("\n".join(lines)) or []] == ["a", "b"]


@pytest.mark.parametrize("text", ["", "一 {", f"[题]({SHORT})", f"[1] {SHORT}"])
def test_text_is_not_json(text: str) -> None:
    assert addresses_in_json(text) is None


def test_addresses_in_content_alone_are_taken() -> None:
    assert addresses_in_json(json.dumps({"html": f'<a href="{SHORT}">'})) == [FoundAddress(SHORT)]


def test_bookmarks_and_opml_are_told_from_pages() -> None:
    assert is_bookmarks('<?xml version="1.0"?><opml version="1.0">')
    assert is_bookmarks("<!DOCTYPE NETSCAPE-Bookmark-file-1>")
    assert not is_bookmarks("<!DOCTYPE html><html>")


def read(text: str) -> list[ListedAddress | UnlistedLines | UnreadRest]:
    return list(read_addresses(io.BytesIO(text.encode())))


def test_lines_without_a_post_are_counted_by_kind_with_the_first_of_each() -> None:
    listed, wrong, prose = read(f"清单\n{SHORT}\nhttps://example.org/a\n\n# x\n说明\nhttps://example.org/b\n")
    assert isinstance(listed, ListedAddress)
    assert listed.address.url == SHORT
    assert isinstance(wrong, UnlistedLines)
    assert (wrong.number, wrong.line, wrong.example) == (2, 3, "https://example.org/a")
    assert wrong.reason
    assert prose == UnlistedLines(2, 1, "清单")


def test_an_example_is_one_short_line() -> None:
    (prose,) = read("长 \t" * 10_000)
    assert isinstance(prose, UnlistedLines)
    assert prose.example == " ".join("长" * 30)


def test_a_table_gives_titles_and_days() -> None:
    items = read(f"标题,链接,日期\n甲,{SHORT},2026-03-01\n甲,{SHORT}/,2026-03-02\n")
    assert [(one.title, one.day) for one in items if isinstance(one, ListedAddress)] == [
        ("甲", date(2026, 3, 1))
    ]


def test_a_line_beyond_the_limit_ends_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_list, "MAX_LINE", 100)
    listed, rest = read(f"{SHORT}\n{'x' * 101}\n{SHORT}a\n")
    assert isinstance(listed, ListedAddress)
    assert rest == UnreadRest(Message("archive.list.long_line", {"max": 100}), 2)


@pytest.mark.parametrize("between", [",", ", ", "\t", ";", "；", "、", "', '"])
def test_every_address_of_a_line_is_taken(between: str) -> None:
    urls = [f"https://mp.weixin.qq.com/s/abcdefghijklmnopqrst0{number}" for number in range(4)]
    lines = f"{between.join(urls[:3])}\n{between.join(urls[2:])}\n"
    items = list(read_addresses(io.BytesIO(lines.encode())))
    assert [one.address.url for one in items if isinstance(one, ListedAddress)] == urls
    assert len(items) == len(urls)


def test_of_a_table_with_a_header_only_the_named_column_is_taken() -> None:
    first, other = (f"https://mp.weixin.qq.com/s/abcdefghijklmnopqrst0{number}" for number in (1, 2))
    items = list(read_addresses(io.BytesIO(f"标题,链接,原文链接\n题,{first},{other}\n".encode())))
    assert [one.address.url for one in items if isinstance(one, ListedAddress)] == [first]
