"""Bodies: exact on return, or an error."""

import gzip
import hashlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from archive import blobs
from archive.errors import IntegrityError
from tests.archive.making import capture


@given(st.binary(max_size=5000), st.booleans())
def test_a_body_comes_back_as_it_went_in(body: bytes, as_gzip: bool) -> None:
    kept = capture(body, gzipped=gzip.compress(body, mtime=0) if as_gzip else None)
    packed = blobs.packed(kept)
    unpacked = blobs.unpack(packed["body"], packed["body_encoding"], kept.sha256)  # type: ignore[arg-type]
    assert unpacked == body


STORED = {
    "nothing": b"",
    "junk": b"junk",
    "another body in zstd": zstandard.compress(b"other"),
    "another body in gzip": gzip.compress(b"other"),
}


@pytest.mark.parametrize("encoding", ["zstd", "gzip", "br"])
@pytest.mark.parametrize("stored", STORED.values(), ids=STORED)
def test_stored_bytes_that_are_not_the_body_are_an_error(stored: bytes, encoding: str) -> None:
    with pytest.raises(IntegrityError):
        blobs.unpack(stored, encoding, hashlib.sha256(b"body").digest())


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
def test_a_bomb_is_refused_without_being_unpacked_whole(encoding: str) -> None:
    zeros = bytes(blobs.MAX_BODY + 1)
    bomb = zstandard.compress(zeros) if encoding == "zstd" else gzip.compress(zeros, 1)
    with pytest.raises(IntegrityError):
        blobs.unpack(bomb, encoding, hashlib.sha256(zeros).digest())
