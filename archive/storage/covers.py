"""Make the small forms of covers that lists of posts show, and keep them in the media folder.

They follow from the images and are no evidence: no row names them, `verify` and backups leave them out, and
where one is missing it is made again.
"""

from io import BytesIO

from archive.domain.errors import MediaFolderError
from archive.storage.media_files import MediaFolder

COVER_SIZE = (208, 90)  # pixels of a small cover: twice those of the card, for fine displays

MAX_COVER_PIXELS = 25_000_000  # of an image that is made smaller; covers of WeChat have half a million


def small_cover(content: bytes) -> bytes:
    """Return an image as a JPEG that covers COVER_SIZE; empty for one that is too large or cannot be read."""
    from PIL import Image, ImageOps  # noqa: PLC0415 - the web server starts without it

    try:
        with Image.open(BytesIO(content)) as image:
            if image.width * image.height > MAX_COVER_PIXELS:
                return b""
            image.draft("RGB", COVER_SIZE)
            whole = image.convert("RGBA")
            paper = Image.new("RGB", whole.size, "white")
            paper.paste(whole, mask=whole)
            written = BytesIO()
            ImageOps.fit(paper, COVER_SIZE).save(written, "JPEG", quality=80)
    except Exception:  # Pillow's decoders raise errors of many types
        return b""
    return written.getvalue()


def keep_small_cover(folder: MediaFolder, content: bytes, sha256: bytes) -> bool:
    """Make the small form of an image and store it; return whether it is there.

    What goes wrong is no error: the image itself is stored, and the page that shows it makes it small.
    """
    try:
        if folder.small_form(sha256):
            return True
        small = small_cover(content)
        if small:
            folder.put_small_form(small, sha256)
    except MediaFolderError:
        return False
    return bool(small)
