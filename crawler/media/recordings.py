"""What audio or video bytes are, by their first bytes and, of MP4, by the order of their boxes. Pure."""

from collections.abc import Iterator

from archive.vocabulary import MediumType
from crawler.media.content import Content, NotMedium, instead

_BEGINNINGS = (
    (b"#!AMR-WB\n", "audio/amr"),
    (b"#!AMR\n", "audio/amr"),
    (b"\x02#!SILK_V3", "audio/silk"),  # as WeChat writes it, with a byte before the mark
    (b"#!SILK_V3", "audio/silk"),
)
_MAX_BOXES = 100_000  # of an MP4; a video in fragments has one or two a second


def audio_content(body: bytes) -> Content:
    """What audio the bytes are; raises NotMedium when they are none, or cut off."""
    for beginning, media_type in _BEGINNINGS:
        if body.startswith(beginning):
            return Content(media_type)
    if _is_mp4(body):
        _check_boxes(body)
        return Content("audio/mp4")
    if _is_mp3(body):
        return Content("audio/mpeg")
    if _is_adts(body):
        return Content("audio/aac")
    raise instead(body, MediumType.AUDIO)


def video_content(body: bytes) -> Content:
    """That the bytes are an MP4; raises NotMedium when they are none, or cut off."""
    if not _is_mp4(body):
        raise instead(body, MediumType.VIDEO)
    _check_boxes(body)
    return Content("video/mp4")


def _is_mp4(body: bytes) -> bool:
    return body[4:8] == b"ftyp"


def _check_boxes(body: bytes) -> None:
    """Every box is whole, and one of them tells how to play the others."""
    if b"moov" not in list(_boxes(body)):
        raise NotMedium("it is an MP4 without the part that tells how to play it")


def _boxes(body: bytes) -> Iterator[bytes]:
    at = 0
    for _ in range(_MAX_BOXES):
        if at == len(body):
            return
        size, name = int.from_bytes(body[at : at + 4]), body[at + 4 : at + 8]
        if size == 1:
            size = int.from_bytes(body[at + 8 : at + 16])
        elif size == 0:  # to the end
            size = len(body) - at
        if len(name) < 4 or size < 8 or at + size > len(body):
            raise NotMedium("it is an MP4 that is cut off")
        yield name
        at += size
    raise NotMedium(f"it is an MP4 of more than {_MAX_BOXES} parts")


def _is_mp3(body: bytes) -> bool:
    """A tag of titles, or a frame whose header makes sense."""
    if body.startswith(b"ID3"):
        return len(body) > 10 and body[3] != 0xFF and max(body[6:10]) < 0x80
    if len(body) < 4 or body[0] != 0xFF or body[1] & 0xE0 != 0xE0:
        return False
    version, layer = body[1] >> 3 & 3, body[1] >> 1 & 3
    rate, sampling = body[2] >> 4, body[2] >> 2 & 3
    return version != 1 and layer != 0 and rate != 15 and sampling != 3


def _is_adts(body: bytes) -> bool:
    return len(body) >= 7 and body[0] == 0xFF and body[1] & 0xF6 == 0xF0 and body[2] >> 2 & 15 < 13
