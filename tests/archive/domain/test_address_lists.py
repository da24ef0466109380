"""Addresses in JSON and JSON Lines."""

import json

import pytest

from archive.domain.address_text import FoundAddress, addresses_by_line, addresses_in_json, is_bookmarks

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


def test_lines_are_numbered_without_comments() -> None:
    assert list(addresses_by_line(f"# a\n\n看\n{SHORT}")) == [(3, "看", []), (4, SHORT, [SHORT])]


def test_bookmarks_and_opml_are_told_from_pages() -> None:
    assert is_bookmarks('<?xml version="1.0"?><opml version="1.0">')
    assert is_bookmarks("<!DOCTYPE NETSCAPE-Bookmark-file-1>")
    assert not is_bookmarks("<!DOCTYPE html><html>")
