"""What an export of files came to."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from archive.errors import ArchiveError, DatabaseUnavailable, MediaFolderError, NothingWritable, first_line
from archive.models import Post

MAX_TROUBLES = 20  # sentences kept; the rest is counted
MAX_REASON = 300  # characters of what went wrong, which may quote what a page says
# After these nothing else would be written either.
_ENDING = (SQLAlchemyError, DatabaseUnavailable, MediaFolderError, NothingWritable)


@dataclass
class Written:
    """How many posts or captures, and which bodies and files of the media folder could not be read: `damaged`
    where one of them is not what was stored. `failed` counts posts, captures and accounts that could not be
    written, `failures` says which and why.
    """

    posts: int = 0
    captures: int = 0
    missing: int = 0
    damaged: bool = False
    troubles: list[str] = field(default_factory=list)
    failed: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, troubles: Iterable[str], damaged: bool) -> None:
        """Count a post that was written, and what of it could not be read."""
        self.posts += 1
        for trouble in troubles:
            self.lack(trouble, damaged)

    def lack(self, trouble: str, damaged: bool) -> None:
        """Count something that could not be read, and why."""
        self.missing += 1
        self.damaged = self.damaged or damaged
        if len(self.troubles) < MAX_TROUBLES:
            self.troubles.append(trouble)

    @contextmanager
    def apart(self, name: str) -> Iterator[None]:
        """Whatever fails within it fails alone: it is counted and named, and the rest goes on.

        Raises only what would keep the rest from being written as well.
        """
        try:
            yield
        except _ENDING:
            raise
        except Exception as error:
            self.failed += 1
            if len(self.failures) < MAX_TROUBLES:
                self.failures.append(f"{name} could not be written: {reason_of(error)}")

    def join(self, other: "Written") -> None:
        """Count another file's as well."""
        self.posts += other.posts
        self.captures += other.captures
        self.missing += other.missing
        self.damaged = self.damaged or other.damaged
        self.troubles = (self.troubles + other.troubles)[:MAX_TROUBLES]
        self.failed += other.failed
        self.failures = (self.failures + other.failures)[:MAX_TROUBLES]


def reason_of(error: Exception) -> str:
    """Why something failed, in a line; of an error that nobody meant to raise also its kind."""
    words = first_line(error)[:MAX_REASON]
    return words if isinstance(error, ArchiveError) else f"{type(error).__name__} {words}".strip()


def name_of(post: Post) -> str:
    """How a post is named to people."""
    return f"post {post.aid} of {post.account_name} ({post.published_on.isoformat()})"
