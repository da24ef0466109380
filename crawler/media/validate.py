"""Whether bytes are an image that can be shown, found out by decoding it. Pure: no I/O, no clock.

Only one frame is decoded, under a bound of pixels; a crash of a decoder is the caller's to survive.
"""

import struct
import warnings
from collections.abc import Iterator
from io import BytesIO

from PIL import Image, UnidentifiedImageError

from archive.domain.outcomes import MediumType
from crawler.media.content import Content, NotMedium, instead
from crawler.media.svg import is_svg, svg_size

# A picture 1080 pixels wide of the greatest height JPEG has (65,500) has 71 MP: 320 MB when decoded.
MAX_PIXELS = 80_000_000

_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",  # a JPEG with further pictures behind it, as some telephones make them
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "AVIF": "image/avif",
}

_FORMATS = tuple(_TYPES.keys() - {"MPO"})  # which is opened as a JPEG


def image_content(body: bytes) -> Content:
    """What image the bytes are; raises NotMedium with the reason when they are none, or a dangerous one."""
    if is_svg(body):
        return Content("image/svg+xml", *svg_size(body))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)  # of odd metadata, which nobody here reads
            return _decoded(body)
    except UnidentifiedImageError:
        raise instead(body, MediumType.IMAGE) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large() from None
    except MemoryError:
        raise NotMedium("decoding it takes too much memory") from None
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        IndexError,
        KeyError,
        TypeError,
        struct.error,
    ) as error:
        raise NotMedium(f"it cannot be decoded ({_words(error)})") from None


def _decoded(body: bytes) -> Content:
    with Image.open(BytesIO(body), formats=_FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise _too_large()
        image.load()
        return Content(_TYPES[image.format or ""], width, height)


def _too_large() -> NotMedium:
    return NotMedium(f"it has more than {MAX_PIXELS} pixels when decoded")


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


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
