"""Test that bodies come back exactly, or as an error."""

import gzip
import hashlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.domain.errors import IntegrityError
from archive.storage import body_codec
from archive.storage.body_codec import MAX_BODY_BYTES
from tests.support import captures

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BASE = bytes(range(256)) * 40
PAGE = b"<html>" + BASE + b"</html>"
DELTA_FRAME = body_codec.encode_delta(PAGE, BASE)


def decoded(stored: bytes, encoding: str, body: bytes, base: bytes | None = None) -> bytes:
    """Decode stored bytes that are said to be this body."""
    return body_codec.decode_verified(stored, encoding, hashlib.sha256(body).digest(), base)


@given(st.binary(max_size=5000), st.binary(min_size=8, max_size=5000))
def test_a_body_comes_back_as_it_went_in(body: bytes, base: bytes) -> None:
    assert decoded(body_codec.encode(body), body_codec.WHOLE, body) == body
    assert decoded(gzip.compress(body, mtime=0), body_codec.GZIP, body) == body
    for against in (base, base + body, body + base):
        assert decoded(body_codec.encode_delta(body, against), body_codec.DELTA, body, against) == body


@pytest.mark.slow
@captures.needs_captures
def test_every_real_capture_comes_back_to_the_byte_against_the_one_before_it() -> None:
    names = captures.capture_names("*_*")
    before = captures.capture(names[-1])
    for name in names:
        body = captures.capture(name)
        frame = body_codec.encode_delta(body, before)
        assert decoded(frame, body_codec.DELTA, body, before) == body, name
        before = body


STORED = {
    "nothing": b"",
    "junk": b"junk",
    "another body in zstd": zstd.compress(b"other"),
    "another body in gzip": gzip.compress(b"other"),
    "another body against the base": body_codec.encode_delta(b"other" + BASE, BASE),
    "a frame without its end": DELTA_FRAME[:-3],
    "a frame and something more": DELTA_FRAME + b"x",
    "two frames": DELTA_FRAME + zstd.compress(b"more"),
}


@pytest.mark.parametrize("encoding", ["zstd", "gzip", "zstd-prefix", "br"])
@pytest.mark.parametrize("stored", STORED.values(), ids=STORED)
def test_stored_bytes_that_are_not_the_body_are_an_error(stored: bytes, encoding: str) -> None:
    base = BASE if encoding == body_codec.DELTA else None
    with pytest.raises(IntegrityError):
        decoded(stored, encoding, PAGE, base)


def test_a_frame_needs_the_base_it_was_made_with_and_no_other_takes_one() -> None:
    assert decoded(DELTA_FRAME, "zstd-prefix", PAGE, BASE) == PAGE
    for base in (BASE[::-1], BASE[:-1], b"short", b""):
        with pytest.raises(IntegrityError):
            decoded(DELTA_FRAME, "zstd-prefix", PAGE, base)
    with pytest.raises(IntegrityError, match="has no delta base"):
        decoded(DELTA_FRAME, "zstd-prefix", PAGE)
    with pytest.raises(IntegrityError, match="has a delta base"):
        decoded(body_codec.encode(PAGE), "zstd", PAGE, BASE)


def test_no_bit_that_flips_ever_gives_other_bytes() -> None:
    refused = 0
    for place in range(len(DELTA_FRAME) * 8):
        flipped = bytearray(DELTA_FRAME)
        flipped[place // 8] ^= 1 << place % 8
        try:
            assert decoded(bytes(flipped), "zstd-prefix", PAGE, BASE) == PAGE  # a bit that says nothing
        except IntegrityError:
            refused += 1
    assert refused > len(DELTA_FRAME) * 7


ZEROS = bytes(MAX_BODY_BYTES + 1)
BOMBS = {
    "gzip": ("gzip", gzip.compress(ZEROS, 1)),
    "zstd": ("zstd", zstd.compress(ZEROS)),
    "zstd that does not say how large it is": (
        "zstd",
        zstd.compress(ZEROS, options={zstd.CompressionParameter.content_size_flag: 0}),
    ),
    "zstd against a base": ("zstd-prefix", body_codec.encode_delta(ZEROS, BASE)),
    "zstd after another frame": ("zstd", zstd.compress(PAGE) + zstd.compress(ZEROS)),
}


@pytest.mark.parametrize(("encoding", "bomb"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_without_being_unpacked_whole(encoding: str, bomb: bytes) -> None:
    with pytest.raises(IntegrityError):
        decoded(bomb, encoding, ZEROS, BASE if encoding == body_codec.DELTA else None)


def test_a_frame_that_wants_a_larger_window_than_memory_is_meant_for_is_refused() -> None:
    options = {zstd.CompressionParameter.window_log: body_codec.MAX_WINDOW_LOG + 1}
    packing = zstd.ZstdCompressor(options=options)
    frame = packing.compress(PAGE) + packing.flush()  # streamed: it cannot say how large it is
    with pytest.raises(IntegrityError):
        decoded(frame, "zstd", PAGE)
