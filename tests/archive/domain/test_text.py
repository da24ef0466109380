"""Text as Postgres can store it: nothing is dropped without a sign, nothing else is touched."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.domain.text import MAX_KEY, index_key, storable, storable_json

any_text = st.text(alphabet=st.characters(exclude_categories=()) | st.sampled_from("\0\ud800\udfff"))
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=10,
)


@given(any_text)
def test_any_text_becomes_storable_with_a_sign_for_each_character_lost(text: str) -> None:
    stored = storable(text)
    assert "\0" not in stored
    stored.encode()
    assert len(stored) == len(text)
    assert all(was in (is_, "\0") or is_ == "\ufffd" for was, is_ in zip(text, stored, strict=True))


@given(st.text().filter(lambda text: "\0" not in text))
def test_what_can_be_stored_is_left_as_it_is(text: str) -> None:
    assert storable(text) == text


@given(any_json)
def test_any_json_value_becomes_storable(value: Any) -> None:
    written = json.dumps(storable_json(value), allow_nan=False, ensure_ascii=False)
    written.encode()
    assert "\\u0000" not in written


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ({"a\0": ("b\0", {"c": float("-inf")})}, {"a\ufffd": ["b\ufffd", {"c": None}]}),
        ({1: True}, {"1": True}),
        ([1.5, 10**30, None], [1.5, 10**30, None]),
    ],
    ids=str,
)
def test_json_keeps_its_shape(value: Any, stored: Any) -> None:
    assert storable_json(value) == stored


def test_a_key_is_itself_until_it_is_too_long_for_an_index() -> None:
    longest = "长" * (MAX_KEY // 3)
    assert index_key(longest) == longest
    assert index_key("a\0") == "a\ufffd"
    long, another = index_key(longest + "长长"), index_key(longest + "长短")
    assert long != another
    assert long == index_key(longest + "长长")
    assert len(long.encode()) < MAX_KEY
