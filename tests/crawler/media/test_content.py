"""The error for bytes that are no file of a known format says what they are instead."""

import pytest

from archive.domain.outcomes import MediumType
from crawler.media.content import SUFFIXES, Content, begins_as_page, unknown_format


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "crawler.media.empty"),
        (b"\xef\xbb\xbf  <!DOCTYPE html><p>", "crawler.media.web_page"),
        (b'{"ret": -1}', "crawler.media.json"),
        (b"{not json", "crawler.media.unknown_format"),
        (b"\x00\x01", "crawler.media.unknown_format"),
    ],
)
def test_bytes_of_no_known_format_are_named(body: bytes, code: str) -> None:
    assert unknown_format(body, MediumType.IMAGE).message.code == code


def test_the_expected_type_is_named_in_both_languages() -> None:
    message = unknown_format(b"", MediumType.AUDIO).message
    assert (message.text("en"), message.text("zh")) == ("it is empty, not an audio", "文件为空，不是音频")


def test_a_page_is_recognised_by_its_beginning_only() -> None:
    assert begins_as_page(b"\n<HTML>")
    assert not begins_as_page(b"\x89PNG" + b"<html>")


def test_every_type_has_an_ending() -> None:
    assert {Content(media_type).suffix for media_type in SUFFIXES} == set(SUFFIXES.values())
