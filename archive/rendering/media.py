"""The media of a post, found by the addresses and ids its body names them by, read within bounds."""

import base64
from collections.abc import Callable, Sequence

from archive.domain.errors import IntegrityError, MediaMissing
from archive.domain.outcomes import Role
from archive.rendering.images import without_scheme, without_size
from archive.rendering.sanitizer import OWN, Sources
from archive.repository.media import ShownMedium, StoredFile

Read = Callable[[StoredFile], bytes]  # raises MediaMissing, IntegrityError

# What browsers show as images: in these, SVG included, no script runs and nothing is loaded.
PICTURES = frozenset(f"image/{name}" for name in ("png", "jpeg", "gif", "webp", "bmp", "avif", "svg+xml"))


class PostMedia:
    """What a post shows, and its files. `troubles` says which files could not be read, and why."""

    def __init__(self, shown: Sequence[ShownMedium], read: Read) -> None:
        self.shown = shown
        self.troubles: list[str] = []
        self.damaged = False
        self._read = read
        pictures = [medium for medium in reversed(shown) if medium.type == "image"]
        self._by_address = {without_scheme(medium.url): medium for medium in pictures}
        self._by_address |= {without_scheme(medium.key): medium for medium in pictures}
        self._by_picture = {without_size(medium.url): medium for medium in pictures}
        for known in (self._by_address, self._by_picture):
            known.pop("", None)
        self._played: dict[tuple[str, str], ShownMedium] = {}
        self._stills: dict[str, ShownMedium] = {}
        for medium in reversed(shown):  # where two are known by one name, the first counts
            names = {str(name) for name in (medium.facts.get("id"), medium.key) if name}
            self._played |= {(medium.type, name): medium for name in names}
            if medium.role == Role.POSTER and medium.facts.get("id"):
                self._stills[str(medium.facts["id"])] = medium

    def of_role(self, *roles: Role) -> list[ShownMedium]:
        """Those of these roles, in the order shown."""
        return [medium for role in roles for medium in self.shown if medium.role == role]

    def find(self, address: str) -> ShownMedium | None:
        """The image at an address, or the same picture in another size."""
        return self._by_address.get(without_scheme(address)) or self._by_picture.get(without_size(address))

    def find_played(self, medium_type: str, ident: str) -> ShownMedium | None:
        """The audio or video with this id, or of this key."""
        return self._played.get((medium_type, ident)) if ident else None

    def find_still(self, address: str, ident: str) -> ShownMedium | None:
        """The still of a player: at an address, or of what has this id."""
        return self.find(address) or self._stills.get(ident)

    def content(self, file: StoredFile) -> bytes | None:
        """The bytes of a file; None, with a trouble noted, when the media folder does not give them."""
        try:
            return self._read(file)
        except MediaMissing as error:
            self.troubles.append(str(error))
        except IntegrityError as error:
            self.troubles.append(str(error))
            self.damaged = True
        return None


def data_address(content: bytes, media_type: str) -> str:
    """The address that holds the content itself."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


MAX_EMBEDDED = 64 * 1024 * 1024  # characters of data: addresses a page; browsers open 100 MB with trouble

MAX_PLAYED = 24 * 1024 * 1024  # bytes of one audio or video; half an hour of speech, or a short film

NOT_ASKED = "尚未下载 not downloaded yet"

NOT_READABLE = "文件缺失或损坏 the file is missing or damaged"

NOT_SHOWN = "浏览器不能显示 browsers do not show this type"

FULL = "本页已满 this page holds no more"

TOO_LARGE = "文件太大 the file is too large for this page"


class Embedded:
    """What a page holds so far."""

    def __init__(self, media: PostMedia, most: int = MAX_EMBEDDED) -> None:
        self.media = media
        self._room = most
        self.sources = Sources()
        self._known: dict[bytes, str] = {}  # data: address by content: the page holds them anyway
        self._backgrounds: dict[str, str | None] = {}  # data: address by address
        self._numbers: dict[str, int] = {}  # of the variables, by address

    def put(self, medium: ShownMedium | None) -> tuple[str, str]:
        """Put a medium's file in: what stands for it in `src` until the page is made safe, else why not."""
        address, why = self._address(medium)
        return (self.sources.put(address), "") if address else ("", why)

    def background(self, address: str) -> str | None:
        """The style sheet's variable that holds the image at an address; each is in the page once."""
        if address not in self._backgrounds:
            data, _ = self._address(self.media.find(address))
            self._numbers[address] = len(self._backgrounds)
            self._backgrounds[address] = data or None
        if self._backgrounds[address] is None:
            return None
        return f"var(--{OWN}-{self._numbers[address]})"

    @property
    def variables(self) -> str:
        """The style sheet's rule for the images of backgrounds."""
        rules = [
            f'--{OWN}-{number}:url("{data}");'
            for number, data in enumerate(self._backgrounds.values())
            if data is not None
        ]
        return f":root{{{''.join(rules)}}}" if rules else ""

    def _address(self, medium: ShownMedium | None) -> tuple[str, str]:
        """The data: address of a medium's file, or "" and why there is none."""
        if medium is None or medium.file is None:
            return "", str(medium.last_reason if medium else "") or NOT_ASKED
        file = medium.file
        if not _is_shown(file, medium.type):
            return "", NOT_SHOWN
        if medium.type != "image" and file.size > MAX_PLAYED:
            return "", TOO_LARGE
        if file.size * 4 // 3 > self._room:
            return "", FULL
        return self._read(file)

    def _read(self, file: StoredFile) -> tuple[str, str]:
        if file.sha256 not in self._known:
            content = self.media.content(file)
            if content is None:
                return "", NOT_READABLE
            self._known[file.sha256] = data_address(content, file.media_type)
        address = self._known[file.sha256]
        self._room -= len(address)
        return address, ""


def _is_shown(file: StoredFile, medium_type: str) -> bool:
    if medium_type == "image":
        return file.media_type in PICTURES
    family, _, name = file.media_type.partition("/")
    return family == medium_type and name.replace("-", "").replace("+", "").isalnum()
