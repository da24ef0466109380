"""The media of a post, found by the addresses and ids its body names them by, read within bounds."""

import base64
from collections.abc import Callable, Sequence

from archive.errors import IntegrityError, MediaMissing
from archive.media.kept import KeptFile
from archive.media.queries import ShownMedium
from archive.offline.addresses import clean_address, without_size
from archive.vocabulary import Role

Read = Callable[[KeptFile], bytes]  # raises MediaMissing, IntegrityError
PICTURES = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/bmp",
        "image/avif",
    }
)  # fmt: skip - what browsers show and in what no script can run


class PostMedia:
    """What a post shows, and its files. `troubles` says which files could not be read, and why."""

    def __init__(self, shown: Sequence[ShownMedium], read: Read) -> None:
        self.shown = shown
        self.troubles: list[str] = []
        self.damaged = False
        self._read = read
        self._by_address = {clean_address(medium.url): medium for medium in reversed(shown)}
        self._by_picture = {
            without_size(medium.url): medium for medium in reversed(shown) if medium.type == "image"
        }
        self._by_address.pop("", None)
        self._by_picture.pop("", None)

    def of_role(self, *roles: Role) -> list[ShownMedium]:
        """Those of these roles, in the order shown."""
        return [medium for role in roles for medium in self.shown if medium.role == role]

    def find(self, address: str) -> ShownMedium | None:
        """The medium at an address, or the same picture in another size."""
        found = self._by_address.get(address)
        return found or self._by_picture.get(without_size(address))

    def find_played(self, medium_type: str, ident: str) -> ShownMedium | None:
        """The audio or video with this id."""
        for medium in self.shown if ident else ():
            ids = (medium.key, str(medium.facts.get("id", "")))
            if medium.type == medium_type and (ident in ids or medium.url.endswith(f"={ident}")):
                return medium
        return None

    def poster_of(self, played: ShownMedium) -> ShownMedium | None:
        """The still of a video."""
        posters = self.of_role(Role.POSTER)
        same = [p for p in posters if p.facts.get("id") and p.facts.get("id") == played.facts.get("id")]
        if not same and len(self.of_role(Role.VIDEO)) == 1:
            same = posters
        return next(iter(same), None)

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
