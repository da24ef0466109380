"""Audio and video by their first bytes."""

import struct

import pytest

from crawler.media.content import NotMedium
from crawler.media.validate import audio_content, video_content
from tests.standin.media import recording, video

MP4 = video("synthetic_tested", 500)


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (recording("synthetic_tested"), "audio/mpeg"),
        (bytes.fromhex("fffb9000") + bytes(413), "audio/mpeg"),
        (bytes.fromhex("fff15080") + bytes(100), "audio/aac"),
        (b"#!AMR\n" + bytes(32), "audio/amr"),
        (b"\x02#!SILK_V3" + bytes(32), "audio/silk"),
        (MP4, "audio/mp4"),
    ],
)
def test_audio_is_told_by_its_bytes(body, media_type):
    assert audio_content(body).media_type == media_type


def test_a_video_is_an_mp4_that_is_whole():
    assert (video_content(MP4).media_type, video_content(MP4).suffix) == ("video/mp4", ".mp4")
    open_end = MP4[: MP4.index(b"mdat") - 4] + struct.pack(">I", 0) + b"mdat and so on to the end"
    assert video_content(open_end)
    large = struct.pack(">I", 1) + b"free" + struct.pack(">Q", 20) + bytes(4)
    assert video_content(MP4 + large)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (MP4[:-1], "cut off"),
        (MP4[:40], "cut off"),
        (MP4 + b"\0\0\0", "cut off"),
        (MP4.replace(b"moov", b"free"), "without an index"),
        (b"<html><body>no</body></html>", "it is a web page, not a video"),
        (b"", "it is empty, not a video"),
        (recording("synthetic_tested"), "not a video of a known format"),
    ],
)
def test_what_is_no_whole_video_is_refused(body, words):
    with pytest.raises(NotMedium, match=words):
        video_content(body)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"\xff\xff\xff\xff", b"\xff\xfb", b"RIFF....WAVE"])
def test_what_is_no_audio_is_refused(body):
    with pytest.raises(NotMedium, match="audio"):
        audio_content(body)
