"""Entities are decoded as the standard library does it, and numbers of any length are none of its errors."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.domain.text import unescape

_PIECES = st.sampled_from(["&", "#", "x", ";", "0", "65", "&#", "&#x", "&amp;", "1114112", "字", "&#0000000"])


@given(st.lists(_PIECES, max_size=12).map("".join))
def test_short_references_are_decoded_as_the_standard_library_does(text: str) -> None:
    assert unescape(text) == html.unescape(text)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("&#" + "9" * 5000 + ";", "\ufffd"),
        ("&#" + "9" * 5000, "\ufffd"),
        ("&#" + "0" * 5000 + "65;", "A"),
        ("&#x" + "9" * 5000 + ";", "\ufffd"),
        ("&#" + "0" * 5000 + ";", "\ufffd"),
    ],
)
def test_a_reference_of_thousands_of_digits_is_decoded_as_browsers_do(written: str, meant: str) -> None:
    assert unescape(f"a{written}b") == f"a{meant}b"
