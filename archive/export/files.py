"""Files of an export: written whole or not at all, named for people."""

import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from archive.db.models import Post
from archive.domain.errors import (
    ArchiveError,
    DatabaseUnavailable,
    MediaFolderError,
    NothingWritable,
    first_line,
)

MAX_TITLE = 40  # characters of a title in a file's name

MAX_NAME = 200  # bytes of a name, of 255: the rest is for a number, a date and endings such as .warc.gz

_FORBIDDEN = frozenset('/\\:*?"<>|')

_DEVICES = frozenset({  # of Windows, whatever follows after a dot
    "con", "prn", "aux", "nul", "conin$", "conout$",
    *(f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"),
})  # fmt: skip


def as_file_name(name: str, most: int = MAX_NAME) -> str:
    """A name without what some file system does not take, of at most so many bytes."""
    shown = "".join("_" if char in _FORBIDDEN or not char.isprintable() else char for char in name)
    shown = shown.encode()[:most].decode(errors="ignore").strip(". ") or "_"
    return f"_{shown}"[:most] if shown.partition(".")[0].strip().lower() in _DEVICES else shown


class Names:
    """Names of files without their ending, each once: also where a file system takes large and small letters,
    or two ways to write the same letter, for the same.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, post: Post) -> str:
        """The name of a post's file: `<date>-<aid>-<title>`."""
        title = as_file_name(" ".join(post.title.split())[:MAX_TITLE])
        name = f"{post.published_on.isoformat()}-{post.aid}-{title}"
        return self._once(name, str(post.account_id))  # the same aid of another account

    def of_account(self, name: str, biz: str) -> str:
        """The name of an account's file, with its biz where another account has the same name."""
        return self._once(name, biz)

    def _once(self, name: str, apart: str) -> str:
        given = as_file_name(name)
        ending, number = "", 1
        while _as_taken(given + ending) in self._taken:
            ending = as_file_name(f"-{apart}" if number == 1 else f"-{apart}-{number}", MAX_NAME // 2)
            given = as_file_name(name, MAX_NAME - len(ending.encode()))
            number += 1
        self._taken.add(_as_taken(given + ending))
        return given + ending


def _as_taken(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


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
