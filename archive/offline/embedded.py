"""Files written into a page: each as a data: address, of all of them a bounded amount."""

from archive.media.kept import KeptFile
from archive.media.queries import ShownMedium
from archive.offline.media import PICTURES, PostMedia, data_address
from archive.offline.safe import OWN, Sources

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
            return "", (medium.last_reason if medium else "") or NOT_ASKED
        file = medium.file
        if not _is_shown(file, medium.type):
            return "", NOT_SHOWN
        if medium.type != "image" and file.size > MAX_PLAYED:
            return "", TOO_LARGE
        if file.size * 4 // 3 > self._room:
            return "", FULL
        return self._read(file)

    def _read(self, file: KeptFile) -> tuple[str, str]:
        if file.sha256 not in self._known:
            content = self.media.content(file)
            if content is None:
                return "", NOT_READABLE
            self._known[file.sha256] = data_address(content, file.media_type)
        address = self._known[file.sha256]
        self._room -= len(address)
        return address, ""


def _is_shown(file: KeptFile, medium_type: str) -> bool:
    if medium_type == "image":
        return file.media_type in PICTURES
    family, _, name = file.media_type.partition("/")
    return family == medium_type and name.replace("-", "").replace("+", "").isalnum()
