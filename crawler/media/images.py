"""Whether bytes are an image that can be shown, found out by decoding it. Pure: no I/O, no clock.

Only one frame is decoded, under a bound of pixels; a crash of a decoder is the caller's to survive.
"""

import struct
import warnings
from io import BytesIO  # bytes in memory: Pillow reads nothing else

from PIL import Image, UnidentifiedImageError

from archive.vocabulary import MediumType
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
