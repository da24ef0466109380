"""Files of an export: written whole or not at all, named for people."""

from dataclasses import dataclass, field

from archive.db.models import Post
from archive.rendering.page import ShownPost

MAX_TITLE = 40  # characters of a title in a file's name: of 255 bytes three a character, and the aid's

_FORBIDDEN = frozenset('/\\:*?"<>|')


def as_file_name(name: str) -> str:
    """A name without what some file system does not take."""
    shown = "".join("_" if char in _FORBIDDEN or not char.isprintable() else char for char in name)
    return shown.strip(". ") or "_"


class Names:
    """Names of posts' files: `<date>-<aid>-<title>`, each once whatever the file system's letter case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, post: Post) -> str:
        """The name of a post's file without its ending."""
        title = as_file_name(" ".join(post.title.split()))[:MAX_TITLE].strip(". ")
        name = as_file_name(f"{post.published_on.isoformat()}-{post.aid}-{title}")
        if name.casefold() in self._taken:  # the same aid of another account
            name = f"{name}-{post.account_id}"
        self._taken.add(name.casefold())
        return name


MAX_TROUBLES = 20  # sentences kept; the rest is counted


@dataclass
class Written:
    """How many posts or captures, and which bodies and files of the media folder could not be read: `damaged`
    where one of them is not what was stored.
    """

    posts: int = 0
    captures: int = 0
    missing: int = 0
    damaged: bool = False
    troubles: list[str] = field(default_factory=list)

    def add(self, shown: ShownPost) -> None:
        """Count a post that was written."""
        self.posts += 1
        for trouble in shown.media.troubles:
            self.lack(trouble, shown.media.damaged)

    def lack(self, trouble: str, damaged: bool) -> None:
        """Count something that could not be read, and why."""
        self.missing += 1
        self.damaged = self.damaged or damaged
        if len(self.troubles) < MAX_TROUBLES:
            self.troubles.append(trouble)

    def join(self, other: "Written") -> None:
        """Count another file's as well."""
        self.posts += other.posts
        self.captures += other.captures
        self.missing += other.missing
        self.damaged = self.damaged or other.damaged
        self.troubles = (self.troubles + other.troubles)[:MAX_TROUBLES]
