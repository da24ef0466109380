"""Addresses as pages write them: what was escaped twice is undone, and no parameter is an entity."""

import pytest

from archive.domain.addresses import clean_url, clean_web_url


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("https://a.example/i?x=1&amp;amp;y=2", "https://a.example/i?x=1&y=2"),
        ("//a.example/i?x=1&#38;y=2", "https://a.example/i?x=1&y=2"),
        (" https://a.example/\n\tlong/i ", "https://a.example/long/i"),
        ("https://a.example/i?x=1&region=2&copy=3", "https://a.example/i?x=1&region=2&copy=3"),
        ("HTTP://a.example/i", "HTTP://a.example/i"),
    ],
)
def test_what_is_read_and_what_is_shown_clean_an_address_alike(written: str, address: str) -> None:
    assert (clean_url(written), clean_web_url(written)) == (address, address)


@pytest.mark.parametrize("written", ["", "data:image/png;base64,AA", "javascript:alert(1)", "i.png"])
def test_nothing_is_shown_from_what_is_no_address_on_the_web(written: str) -> None:
    assert clean_web_url(written) == ""
