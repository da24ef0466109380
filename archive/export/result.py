"""The result of an export: what was written, and what could not be read or written, and why."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from archive.db.models import Post
from archive.domain.errors import (
    DatabaseUnavailable,
    MediaFolderError,
    error_message,
)
from archive.domain.messages import Message
from archive.system.files import FileWriteError

MAX_MESSAGES = 20  # messages of each kind that a result keeps; the rest is counted

# After these errors nothing else could be written either.
_FATAL = (SQLAlchemyError, DatabaseUnavailable, MediaFolderError)


OnPosts = Callable[[int], None]  # receives how many posts are written so far


def ignore_posts(count: int) -> None:
    """Do nothing with the number of posts."""


@dataclass
class ExportResult:
    """What an export wrote.

    `posts` and `captures` were written. `missing` counts bodies and media files that could not be read,
    `problems` names them, and `damaged` is set where one of them is not what was stored. `failed` counts
    posts, captures and files that could not be written, `failures` names them. `without_page` are ids of
    posts of which a web archive has a captured page only.
    """

    posts: int = 0
    captures: int = 0
    missing: int = 0
    damaged: bool = False
    problems: list[Message] = field(default_factory=list)
    failed: int = 0
    failures: list[Message] = field(default_factory=list)
    without_page: set[int] = field(default_factory=set)

    def add_post(self, problems: Iterable[Message], damaged: bool) -> None:
        """Count a post that was written, and what of it could not be read."""
        self.posts += 1
        for problem in problems:
            self.add_missing(problem, damaged)

    def add_missing(self, problem: Message, damaged: bool) -> None:
        """Count something that could not be read."""
        self.missing += 1
        self.damaged = self.damaged or damaged
        if len(self.problems) < MAX_MESSAGES:
            self.problems.append(problem)

    @contextmanager
    def isolate(self, subject: Message | str) -> Iterator[None]:
        """Record a failure within the block under the name of its subject, instead of raising it.

        Raises only errors after which nothing else could be written either.
        """
        try:
            yield
        except _FATAL:
            raise
        except Exception as error:
            if isinstance(error, FileWriteError) and error.concerns_all_files:
                raise
            self.failed += 1
            if len(self.failures) < MAX_MESSAGES:
                params = {"subject": subject, "reason": error_message(error)}
                self.failures.append(Message("archive.export.not_written", params))

    def merge(self, other: "ExportResult") -> None:
        """Add the result of another file."""
        self.posts += other.posts
        self.captures += other.captures
        self.missing += other.missing
        self.damaged = self.damaged or other.damaged
        self.problems = (self.problems + other.problems)[:MAX_MESSAGES]
        self.failed += other.failed
        self.failures = (self.failures + other.failures)[:MAX_MESSAGES]


def post_name(post: Post) -> Message:
    """Return how a post is named to people."""
    params = {"aid": post.aid, "account": post.account_name, "day": post.published_on.isoformat()}
    return Message("archive.export.post", params)
