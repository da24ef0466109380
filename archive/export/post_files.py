"""What is to be written of one post."""

import multiprocessing
import pickle
import resource
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

from archive.domain.errors import ArchiveError, MediaFolderError, PageError
from archive.export.files import reason_of
from archive.rendering.page import ShownPost
from archive.repository.media import StoredFile
from archive.system.parent_watch import end_with_parent


@dataclass(frozen=True)
class Made:
    """The content of a post's file. `files` are those of the media folder, `pictures` others, each by its
    path beside the post; `troubles` and `damaged` say which files of the media folder could not be read.
    """

    content: bytes
    files: dict[str, StoredFile] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    damaged: bool = False


Make = Callable[[ShownPost], Made]

MAX_SECONDS = 60.0  # a post; the longest that are real take two, on a busy machine ten

MAX_MEMORY = 2 * 1024**3  # bytes more than at its start; a page of 64 MB of pictures takes half of it

STARTING = 120.0  # seconds; it takes one

_STATM = Path("/proc/self/statm")  # Linux's; elsewhere only the bound of time holds


class Maker:
    """Use it as a context manager; `seconds` and `memory` (bytes) bound each post."""

    def __init__(self, make: Make, seconds: float = MAX_SECONDS, memory: int = MAX_MEMORY) -> None:
        self._make, self._seconds, self._memory = make, seconds, memory
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def make(self, shown: ShownPost) -> Made:
        """What is to be written of a post. Raises PageError where that fails or takes too much, and
        MediaFolderError where the media folder does not answer.
        """
        pipe = self._started()
        try:
            pipe.send_bytes(pickle.dumps(shown))
            if not pipe.poll(self._seconds):
                self._end()
                raise PageError(f"making it took more than {self._seconds:g} seconds")
            answer: Made | ArchiveError = pipe.recv()
        except (EOFError, OSError):
            self._end()
            raise PageError("the process that made it was killed, perhaps for want of memory") from None
        if isinstance(answer, ArchiveError):
            raise answer
        return answer

    def _started(self) -> Connection:
        if self._pipe is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, end = context.Pipe()
            self._process = context.Process(target=_serve, args=(end, self._make, self._memory), daemon=True)
            self._process.start()
            end.close()
            if not self._pipe.poll(STARTING):
                self._end()
                raise PageError("the process that makes posts did not start")
            self._pipe.recv()
        return self._pipe

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None


def _serve(pipe: Connection, make: Make, memory: int) -> None:
    end_with_parent()
    _limit_memory(memory)
    pipe.send(None)
    while True:
        try:
            given = pipe.recv_bytes()
        except EOFError:
            return
        pipe.send(_made(given, make))


def _made(given: bytes, make: Make) -> Made | ArchiveError:
    try:
        return make(pickle.loads(given))  # noqa: S301 - our own process sent it
    except MediaFolderError as error:
        return error
    except MemoryError:
        return PageError("making it took too much memory")
    except Exception as error:
        return PageError(reason_of(error))


def _limit_memory(more: int) -> None:
    """Let this process allocate about so many bytes more; beyond that comes a MemoryError."""
    if _STATM.exists():
        used = int(_STATM.read_text().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = used + more
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
