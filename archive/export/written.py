"""What an export of files came to."""

from dataclasses import dataclass, field

from archive.offline.shown import ShownPost

MAX_TROUBLES = 20  # sentences kept; the rest is counted


@dataclass
class Written:
    """How many posts, and which files of the media folder could not be read: `damaged` where one of them is
    not what was stored.
    """

    posts: int = 0
    missing: int = 0
    damaged: bool = False
    troubles: list[str] = field(default_factory=list)

    def add(self, shown: ShownPost) -> None:
        """Count a post that was written."""
        self.posts += 1
        self.missing += len(shown.media.troubles)
        self.damaged = self.damaged or shown.media.damaged
        self.troubles += shown.media.troubles[: MAX_TROUBLES - len(self.troubles)]
