"""Invented files at the addresses of media: small drawn pictures, silence, a video that shows nothing.

The same name gives the same bytes, whatever the parameters around it say, so that two addresses of one
picture give one file.
"""

import hashlib
import re
import struct
import zlib
from functools import lru_cache
from io import BytesIO
from urllib.parse import parse_qs

from PIL import Image, ImageDraw

_ASSETS = "//res.wx.qq.com/mmbizappmsg/zh_CN/htmledition/js/assets"
STYLE_SHEETS = (
    f"https:{_ASSETS}/synthetic_index.a1b2c3d4.css",
    f"https:{_ASSETS}/synthetic_appmsg.a1b2c3d4.css",
)
_LINKS = "".join(
    f'<link rel="stylesheet" href="{address.removeprefix("https:")}" reportloaderror>'
    for address in STYLE_SHEETS
).encode()
BODY_COLOUR = "rgb(12, 34, 56)"  # that the style sheets give to the body
_NAME = re.compile(r"synthetic_[\w-]+")
_FORMATS = {"jpeg": "JPEG", "jpg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP"}
_WIDTH, _HEIGHT = 240, 160  # pixels: a few kB each
_SILENCE = bytes.fromhex("fffb9000") + bytes(413)  # one frame of MP3 at 128 kbit/s
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="240" height="160"><rect width="240" height="160" '
    'fill="#{colour}"/><text x="20" y="80">synthetic</text></svg>'
)
EVIL_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'


def file_at(path: str, query: str) -> tuple[str, bytes, str] | None:
    """Name, bytes and Content-Type of the file at a media host's path; None where there is none."""
    found = _NAME.search(path) or _NAME.search(query)
    if not found:
        return None
    name = found[0]
    if path.endswith(".css"):
        return name, style_sheet(name), "text/css; charset=utf-8"
    if path.startswith("/voice/"):
        return name, recording(name), "audio/mp3"
    if path.endswith(".mp4"):
        return name, video(name, _video_size(path)), "video/mp4"
    form = _form(path, query)
    if form == "svg":
        return name, SVG.format(colour=_digest(name)[:6]).encode(), "image/svg+xml"
    return name, picture(name, _FORMATS.get(form, "PNG")), f"image/{form}"


def style_sheet(name: str) -> bytes:
    """Return a style sheet that colours the body, and names a picture that no archive has."""
    rule = f"body{{color:{BODY_COLOUR};background-image:url({_ASSETS}/background.png)}}"
    return f"/* synthetic style sheet {name} */\n{rule}\n".encode()


def styled(page: bytes) -> bytes:
    """Return a page that loads the style sheets."""
    return page.replace(b"</head>", _LINKS + b"</head>", 1)


def _form(path: str, query: str) -> str:
    told = parse_qs(query).get("wx_fmt", [""])[0] or path.split("/")[1].rpartition("_")[2]
    return told if told in (*_FORMATS, "svg") else "png"


def _video_size(path: str) -> int:
    """Of `….f10002.mp4` 10002: so each form of a video has a size of its own."""
    form = path.split(".")[-2].removeprefix("f")
    return int(form) if form.isdecimal() else 20_000


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@lru_cache(maxsize=512)
def picture(name: str, form: str = "PNG") -> bytes:
    """Return a picture in its own colours, labelled as synthetic, with its name on it."""
    digest = bytes.fromhex(_digest(name))
    image = Image.new("RGB", (_WIDTH, _HEIGHT), tuple(digest[:3]))
    draw = ImageDraw.Draw(image)
    for number in range(4):
        left, top = digest[number] * _WIDTH // 256, digest[number + 4] * _HEIGHT // 256
        draw.ellipse((left - 30, top - 30, left + 30, top + 30), fill=tuple(digest[number + 8 : number + 11]))
    draw.rectangle((0, _HEIGHT - 28, _WIDTH, _HEIGHT), fill="white")
    draw.text((6, _HEIGHT - 26), f"synthetic picture\n{name}", fill="black", spacing=1)
    content = BytesIO()
    image.save(content, form)
    return content.getvalue()


def recording(name: str) -> bytes:
    """Return one second of silence, with the name in its tag."""
    title = b"\x00" + name.encode()
    frame = b"TIT2" + struct.pack(">I", len(title)) + b"\0\0" + title
    return b"ID3\x03\0\0" + struct.pack(">I", len(frame)) + frame + _SILENCE * 38


def video(name: str, size: int = 20_000) -> bytes:
    """Return the boxes of an MP4 without a picture in it."""
    words = f"synthetic video {name} ".encode()
    data = (words * (size // len(words) + 1))[:size]
    return (
        _box(b"ftyp", b"isom\0\0\2\0isommp42")
        + _box(b"moov", _box(b"mvhd", bytes(100)))
        + _box(b"mdat", data)
    )


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + name + content


def bomb_png(side: int = 60_000) -> bytes:
    """Return a PNG of some kilobytes that claims 3,600 million pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
