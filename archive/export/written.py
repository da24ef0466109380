"""What an export of files came to."""

from dataclasses import dataclass, field

from archive.offline.shown import ShownPost

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
