"""Checks that bytes are an image, by decoding it, a complete audio or video, or a style sheet. No I/O.

Of an image one frame is decoded, within a bound of pixels; a decoder that crashes takes the process with it.
"""

import struct
import warnings
from collections.abc import Iterator
from io import BytesIO

import tinycss2
from PIL import Image, UnidentifiedImageError

from archive.domain.outcomes import MediumType
from crawler.media.content import BYTE_ORDER_MARK, Content, NotMedium, unknown_format
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
    """Return what image the bytes are. Raises NotMedium when they are none, or a dangerous one."""
    if is_svg(body):
        return Content("image/svg+xml", *svg_size(body))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)  # about odd metadata, which is not used here
            return _decoded(body)
    except UnidentifiedImageError:
        raise unknown_format(body, MediumType.IMAGE) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large() from None
    except MemoryError:
        raise NotMedium("crawler.media.memory") from None
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
        text = " ".join(str(error).split())[:120] or type(error).__name__
        raise NotMedium("crawler.media.undecodable", error=text) from None


def _decoded(body: bytes) -> Content:
    with Image.open(BytesIO(body), formats=_FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise _too_large()
        image.load()
        return Content(_TYPES[image.format or ""], width, height)


def _too_large() -> NotMedium:
    return NotMedium("crawler.media.too_many_pixels", limit=MAX_PIXELS)


_SIGNATURES = (
    (b"#!AMR-WB\n", "audio/amr"),
    (b"#!AMR\n", "audio/amr"),
    (b"\x02#!SILK_V3", "audio/silk"),  # as WeChat writes it, with a byte before the signature
    (b"#!SILK_V3", "audio/silk"),
)

_MAX_BOXES = 100_000  # of an MP4; a fragmented video has one or two a second


def audio_content(body: bytes) -> Content:
    """Return what audio the bytes are. Raises NotMedium when they are none, or cut off."""
    for signature, media_type in _SIGNATURES:
        if body.startswith(signature):
            return Content(media_type)
    if _is_mp4(body):
        _check_boxes(body)
        return Content("audio/mp4")
    if _is_mp3(body):
        return Content("audio/mpeg")
    if _is_adts(body):
        return Content("audio/aac")
    raise unknown_format(body, MediumType.AUDIO)


def video_content(body: bytes) -> Content:
    """Return the type of an MP4 video. Raises NotMedium when the bytes are none, or cut off."""
    if not _is_mp4(body):
        raise unknown_format(body, MediumType.VIDEO)
    _check_boxes(body)
    return Content("video/mp4")


def style_content(body: bytes) -> Content:
    """Return the type of a style sheet. Raises NotMedium when the bytes do not begin as one.

    A sentence, a web page and JSON do not; what follows may be wrong in places, as browsers allow.
    """
    begins_otherwise = body.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] in (b"", b"<", b"{", b"[")
    if begins_otherwise or b"\0" in body:
        raise unknown_format(body, MediumType.STYLE)
    rules, _ = tinycss2.parse_stylesheet_bytes(body, skip_comments=True, skip_whitespace=True)
    if rules and rules[0].type == "error":
        raise unknown_format(body, MediumType.STYLE)
    return Content("text/css")


def ends_between_rules(body: bytes) -> bool:
    """Tell whether a style sheet ends where another rule could begin; one cut off hardly ever does."""
    rules, _ = tinycss2.parse_stylesheet_bytes(body + b" _{}")
    return bool(rules) and tinycss2.serialize(getattr(rules[-1], "prelude", None) or ()) == "_"


def _is_mp4(body: bytes) -> bool:
    return body[4:8] == b"ftyp"


def _check_boxes(body: bytes) -> None:
    """Raise NotMedium unless every box of an MP4 is complete, and one of them is the index."""
    if b"moov" not in list(_boxes(body)):
        raise NotMedium("crawler.media.mp4_without_index")


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
            raise NotMedium("crawler.media.mp4_cut_off")
        yield name
        at += size
    raise NotMedium("crawler.media.mp4_too_many_boxes", limit=_MAX_BOXES)


def _is_mp3(body: bytes) -> bool:
    """Tell whether there is an ID3 tag, or a frame with a valid header."""
    if body.startswith(b"ID3"):
        return len(body) > 10 and body[3] != 0xFF and max(body[6:10]) < 0x80
    if len(body) < 4 or body[0] != 0xFF or body[1] & 0xE0 != 0xE0:
        return False
    version, layer = body[1] >> 3 & 3, body[1] >> 1 & 3
    rate, sampling = body[2] >> 4, body[2] >> 2 & 3
    return version != 1 and layer != 0 and rate != 15 and sampling != 3


def _is_adts(body: bytes) -> bool:
    return len(body) >= 7 and body[0] == 0xFF and body[1] & 0xF6 == 0xF0 and body[2] >> 2 & 15 < 13
