"""The media of a post, found by the addresses and ids in its body, and embedded in a page within bounds."""

import base64
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from archive.domain.errors import IntegrityError, MediaMissing
from archive.domain.messages import Message
from archive.domain.outcomes import Role
from archive.rendering.images import without_scheme, without_size
from archive.rendering.sanitizer import OWN, Sources
from archive.repository.media import ShownMedium, StoredFile

ReadFile = Callable[[StoredFile], bytes]  # raises MediaMissing, IntegrityError

# What browsers show as images: in an image, SVG included, no script runs and nothing is loaded.
IMAGE_TYPES = frozenset(f"image/{name}" for name in ("png", "jpeg", "gif", "webp", "bmp", "avif", "svg+xml"))


class PostMedia:
    """The media that a post shows, and their files.

    `problems` are the files that could not be read; `damaged` is set where one is not what was stored.
    """

    def __init__(self, shown: Sequence[ShownMedium], read: ReadFile) -> None:
        self.shown = shown
        self.problems: list[Message] = []
        self.damaged = False
        self._read = read
        images = [medium for medium in reversed(shown) if medium.type == "image"]
        self._by_address = {without_scheme(medium.url): medium for medium in images}
        self._by_address |= {without_scheme(medium.key): medium for medium in images}
        self._by_image = {without_size(medium.url): medium for medium in images}
        for known in (self._by_address, self._by_image):
            known.pop("", None)
        self._played: dict[tuple[str, str], ShownMedium] = {}
        self._stills: dict[str, ShownMedium] = {}
        for medium in reversed(shown):  # of two with one name the first counts
            names = {str(name) for name in (medium.facts.get("id"), medium.key) if name}
            self._played |= {(medium.type, name): medium for name in names}
            if medium.role == Role.POSTER and medium.facts.get("id"):
                self._stills[str(medium.facts["id"])] = medium

    def of_role(self, *roles: Role) -> list[ShownMedium]:
        """Return the media of these roles, in the order shown."""
        return [medium for role in roles for medium in self.shown if medium.role == role]

    def find(self, address: str) -> ShownMedium | None:
        """Return the image at an address, or the same image in another size."""
        return self._by_address.get(without_scheme(address)) or self._by_image.get(without_size(address))

    def find_played(self, medium_type: str, ident: str) -> ShownMedium | None:
        """Return the audio or video with this id or key."""
        return self._played.get((medium_type, ident)) if ident else None

    def find_still(self, address: str, ident: str) -> ShownMedium | None:
        """Return the still of a player: at an address, or of the medium with this id."""
        return self.find(address) or self._stills.get(ident)

    def without_files(self, absent: Collection[str]) -> "PostMedia":
        """Return the same media, those at these addresses as if they had not been downloaded."""
        shown = [replace(medium, file=None) if medium.url in absent else medium for medium in self.shown]
        return PostMedia(shown, self._read)

    def content(self, file: StoredFile) -> bytes | None:
        """Read a file; return None and record the problem when it is missing or damaged."""
        try:
            return self._read(file)
        except MediaMissing as error:
            self.problems.append(error.message)
        except IntegrityError as error:
            self.problems.append(error.message)
            self.damaged = True
        return None


def make_data_url(content: bytes, media_type: str) -> str:
    """Return a data: address, which has the content itself."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


MAX_EMBEDDED = 64 * 1024 * 1024  # characters of data: addresses a page; browsers open 100 MB with trouble

MAX_AUDIO_VIDEO = 24 * 1024 * 1024  # bytes of one audio or video; half an hour of speech, or a short film

NOT_DOWNLOADED = "尚未下载 not downloaded yet"

UNREADABLE_FILE = "文件缺失或损坏 the file is missing or damaged"

UNSUPPORTED_TYPE = "浏览器不能显示 browsers do not show this type"

PAGE_FULL = "本页已满 this page holds no more"

FILE_TOO_LARGE = "文件太大 the file is too large for this page"


class EmbeddedFiles:
    """The files that are embedded in one page, at most `max_length` characters of them."""

    def __init__(self, media: PostMedia, max_length: int = MAX_EMBEDDED) -> None:
        self.media = media
        self._room = max_length
        self.sources = Sources()
        self._addresses: dict[bytes, str] = {}  # data: address by SHA-256
        self._backgrounds: dict[str, str | None] = {}  # data: address by address
        self._numbers: dict[str, int] = {}  # of the CSS variables, by address

    def put(self, medium: ShownMedium | None) -> tuple[str, str]:
        """Embed a medium's file; return a placeholder for `src` and "", or "" and why it is not embedded."""
        address, why = self._address(medium)
        return (self.sources.put(address), "") if address else ("", why)

    def background(self, address: str) -> str | None:
        """Return the CSS variable with the image at an address, None where it is not embedded."""
        if address not in self._backgrounds:
            data, _ = self._address(self.media.find(address))
            self._numbers[address] = len(self._backgrounds)
            self._backgrounds[address] = data or None
        if self._backgrounds[address] is None:
            return None
        return f"var(--{OWN}-{self._numbers[address]})"

    @property
    def variables(self) -> str:
        """Return the CSS rule that defines the variables."""
        rules = [
            f'--{OWN}-{number}:url("{data}");'
            for number, data in enumerate(self._backgrounds.values())
            if data is not None
        ]
        return f":root{{{''.join(rules)}}}" if rules else ""

    def _address(self, medium: ShownMedium | None) -> tuple[str, str]:
        """Return the data: address of a medium's file and "", or "" and why there is none."""
        if medium is None or medium.file is None:
            reason = str(medium.last_reason) if medium and medium.last_reason else ""
            return "", reason or NOT_DOWNLOADED
        file = medium.file
        if not _is_supported(file, medium.type):
            return "", UNSUPPORTED_TYPE
        if medium.type != "image" and file.size > MAX_AUDIO_VIDEO:
            return "", FILE_TOO_LARGE
        if file.size * 4 // 3 > self._room:
            return "", PAGE_FULL
        return self._read(file)

    def _read(self, file: StoredFile) -> tuple[str, str]:
        if file.sha256 not in self._addresses:
            content = self.media.content(file)
            if content is None:
                return "", UNREADABLE_FILE
            self._addresses[file.sha256] = make_data_url(content, file.media_type)
        address = self._addresses[file.sha256]
        self._room -= len(address)
        return address, ""


_OF_AN_ADDRESS = str.maketrans({one: f"%{ord(one):02X}" for one in "\"'\\<>\r\n\f\t "})


class AddressedFiles(EmbeddedFiles):
    """The files of a page in a web archive: they stand at their own addresses, and none is embedded.

    Why a file is absent is said in fixed words, so that every archive writes the same page.
    """

    def _address(self, medium: ShownMedium | None) -> tuple[str, str]:
        if medium is None or medium.file is None or not is_web_address(medium.url):
            return "", NOT_DOWNLOADED
        if not _is_supported(medium.file, medium.type):
            return "", UNSUPPORTED_TYPE
        return medium.url.translate(_OF_AN_ADDRESS), ""  # as a browser writes it, and safe in a style sheet


def is_web_address(url: str) -> bool:
    """Tell whether a web archive can hold something at this address."""
    return url.startswith(("http://", "https://"))


def _is_supported(file: StoredFile, medium_type: str) -> bool:
    if medium_type == "image":
        return file.media_type in IMAGE_TYPES
    family, _, name = file.media_type.partition("/")
    return family == medium_type and name.replace("-", "").replace("+", "").isalnum()
