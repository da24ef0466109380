import gzip
import zlib
from datetime import UTC, datetime

import pytest

from crawler.parse.response import DamagedResponse, FetchedPage, unpack

MOMENT = datetime(2026, 7, 31, tzinfo=UTC)
PAGE = ("<html><body>" + "合成页面" * 400 + "</body></html>").encode()


def answer(body: bytes, *headers: tuple[str, str], ended_openly: bool = False) -> FetchedPage:
    return FetchedPage(
        1,
        "https://mp.weixin.qq.com/s/x",
        "https://mp.weixin.qq.com/s/x",
        200,
        headers,
        body,
        MOMENT,
        ended_openly,
    )


GZIP = ("Content-Encoding", "gzip")


def test_the_capture_holds_the_bytes_the_server_packed():
    capture = unpack(answer(gzip.compress(PAGE), GZIP))
    assert capture.body == PAGE
    assert (capture.fetched_at, capture.status, capture.rendered) == (MOMENT, 200, False)


def test_several_gzip_members_are_one_page():
    assert unpack(answer(gzip.compress(PAGE) + gzip.compress(b"end"), GZIP)).body == PAGE + b"end"


@pytest.mark.parametrize("cut", [1, 9, 30, -1, -8])
def test_half_a_gzip_stream_is_no_page(cut):
    with pytest.raises(DamagedResponse):
        unpack(answer(gzip.compress(PAGE)[:cut], GZIP))


def test_a_flipped_bit_in_a_gzip_stream_is_noticed():
    packed = bytearray(gzip.compress(PAGE))
    packed[-6] ^= 1  # in the checksum
    with pytest.raises(DamagedResponse, match="broken"):
        unpack(answer(bytes(packed), GZIP))


@pytest.mark.slow
def test_a_gzip_bomb_is_refused_without_unpacking_it_whole():
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    with pytest.raises(DamagedResponse, match="more than"):
        unpack(answer(bomb, GZIP), limit=1 << 20)


def test_the_limit_itself_is_allowed():
    assert len(unpack(answer(gzip.compress(bytes(1000)), GZIP), limit=1000).body) == 1000


def test_a_packing_nobody_asked_for_is_refused():
    with pytest.raises(DamagedResponse, match="br"):
        unpack(answer(b"xx", ("content-encoding", "br")))


def test_a_body_that_only_the_connections_end_ended_must_look_whole():
    assert unpack(answer(PAGE, ended_openly=True)).body == PAGE
    with pytest.raises(DamagedResponse, match="before the end"):
        unpack(answer(PAGE[:-20], ended_openly=True))
