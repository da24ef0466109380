"""The media of a post, found by the addresses and ids its body names them by, read within bounds."""

import base64
from collections.abc import Callable, Sequence

from archive.errors import IntegrityError, MediaMissing
from archive.media.kept import KeptFile
from archive.media.queries import ShownMedium
from archive.offline.addresses import without_scheme, without_size
from archive.vocabulary import Role

Read = Callable[[KeptFile], bytes]  # raises MediaMissing, IntegrityError
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

    def content(self, file: KeptFile) -> bytes | None:
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
