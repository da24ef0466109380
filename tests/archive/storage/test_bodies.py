"""Test the choice between storing a body whole and as a delta."""

import hashlib

import pytest

from archive.storage.body_codec import (
    DELTA,
    MIN_DELTA_SIZE,
    WHOLE,
    DeltaBase,
    decode_verified,
    encode_body,
    signature,
)
from tests.archive.making import capture, template

TEMPLATE = template(1)


def base(body: bytes) -> DeltaBase:
    """Make a delta base of a body."""
    return DeltaBase(hashlib.sha256(body).digest(), body, signature(body))


def test_a_page_of_a_known_template_is_stored_against_it_and_decodes_exactly() -> None:
    page = capture(TEMPLATE + b"one")
    stored = encode_body(page, [base(template(2)), base(TEMPLATE + b"two")])
    expected = hashlib.sha256(TEMPLATE + b"two").digest()
    assert (stored.codec, stored.base_sha256, stored.is_delta_base) == (DELTA, expected, False)
    assert decode_verified(stored.data, DELTA, page.sha256, TEMPLATE + b"two") == page.body


def test_a_page_of_another_template_is_stored_whole_and_becomes_a_base() -> None:
    page = capture(template(3))
    stored = encode_body(page, [base(TEMPLATE)])
    assert (stored.codec, stored.base_sha256, stored.is_delta_base) == (WHOLE, None, True)
    assert decode_verified(stored.data, WHOLE, page.sha256) == page.body


def test_a_small_body_is_stored_whole_and_is_no_base() -> None:
    small = capture(TEMPLATE[: MIN_DELTA_SIZE - 1])
    stored = encode_body(small, [base(TEMPLATE)])
    assert (stored.codec, stored.is_delta_base) == (WHOLE, False)


def test_a_base_of_quite_another_size_is_not_tried() -> None:
    assert encode_body(capture(TEMPLATE), [base(TEMPLATE * 5)]).codec == WHOLE
    assert encode_body(capture(TEMPLATE), [base(TEMPLATE * 3)]).codec == DELTA


@pytest.mark.parametrize(("gzipped", "encoding"), [(None, DELTA), (b"x" * 100, WHOLE)])
def test_a_delta_must_save_against_what_the_server_sent(gzipped: bytes | None, encoding: str) -> None:
    page = capture(TEMPLATE + b"<p>" * 20, gzipped=gzipped)
    assert encode_body(page, [base(TEMPLATE)]).codec == encoding


def test_the_columns_are_named_as_in_the_table() -> None:
    stored = encode_body(capture(b"<html>"), [])
    assert stored.columns == {"data": stored.data, "codec": WHOLE, "base_sha256": None}
