"""Render posts one at a time in a process of its own, with bounds on time and memory for each."""

import multiprocessing
import pickle
import resource
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol, Self

from archive.domain.errors import ArchiveError, MediaFolderError, PageError, error_message
from archive.domain.messages import Message
from archive.export.file_names import FileNames
from archive.export.result import ExportResult, post_name
from archive.rendering.page import ShownPost
from archive.repository.media import StoredFile
from archive.system.child_processes import end_with_parent


@dataclass(frozen=True)
class RenderedPost:
    """The content of a post's file, and what belongs beside it.

    `files` are files of the media folder, `pictures` other images, by their path beside the post. `problems`
    and `damaged` say which files of the media folder could not be read.
    """

    content: bytes
    files: dict[str, StoredFile] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    problems: list[Message] = field(default_factory=list)
    damaged: bool = False


RenderPost = Callable[[ShownPost], RenderedPost]


class Unread(Protocol):
    """What of a post could not be read, as a rendered post and the media of a post say it."""

    @property
    def problems(self) -> Sequence[Message]: ...

    @property
    def damaged(self) -> bool: ...


WritePost = Callable[[ShownPost, RenderedPost, FileNames], Unread]


def write_each(posts: Iterable[ShownPost], render: RenderPost, write: WritePost) -> ExportResult:
    """Render and write posts; `write` takes the name of a file when it needs it, and returns what is unread.

    A post that cannot be written is left out. Raises FileWriteError where none can be.
    """
    result, names = ExportResult(), FileNames()
    for shown in posts:
        with result.isolate(post_name(shown.post)):
            unread = write(shown, render(shown), names)
            result.add_post(unread.problems, unread.damaged)
    return result


MAX_SECONDS = 60.0  # for a post; the longest real ones take two, on a busy machine ten

MAX_MEMORY = 2 * 1024**3  # bytes more than at the start; a page of 64 MB of images takes half of it

START_TIMEOUT = 120.0  # seconds; it takes one

_STATM = Path("/proc/self/statm")  # of Linux; elsewhere only the bound on time holds


class PostRenderer:
    """A context manager that renders posts; `seconds` and `memory` (bytes) bound each post."""

    def __init__(self, render: RenderPost, seconds: float = MAX_SECONDS, memory: int = MAX_MEMORY) -> None:
        self._render, self._seconds, self._memory = render, seconds, memory
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_process()

    def render(self, shown: ShownPost) -> RenderedPost:
        """Render a post.

        Raises PageError where that fails or takes too much, MediaFolderError where the media folder cannot
        be used.
        """
        pipe = self._started_pipe()
        try:
            pipe.send_bytes(pickle.dumps(shown))
            if not pipe.poll(self._seconds):
                self._end_process()
                raise PageError("archive.export.too_slow", seconds=f"{self._seconds:g}")
            answer: RenderedPost | ArchiveError = pipe.recv()
        except (EOFError, OSError):
            self._end_process()
            raise PageError("archive.export.process_killed") from None
        if isinstance(answer, ArchiveError):
            raise answer
        return answer

    def _started_pipe(self) -> Connection:
        if self._pipe is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, end = context.Pipe()
            arguments = (end, self._render, self._memory)
            self._process = context.Process(target=_serve, args=arguments, daemon=True)
            self._process.start()
            end.close()
            if not self._pipe.poll(START_TIMEOUT):
                self._end_process()
                raise PageError("archive.export.process_not_started")
            self._pipe.recv()
        return self._pipe

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None


def _serve(pipe: Connection, render: RenderPost, memory: int) -> None:
    end_with_parent()
    _limit_memory(memory)
    pipe.send(None)
    while True:
        try:
            pickled = pipe.recv_bytes()
        except EOFError:
            return
        pipe.send(_rendered(pickled, render))


def _rendered(pickled: bytes, render: RenderPost) -> RenderedPost | ArchiveError:
    try:
        return render(pickle.loads(pickled))  # noqa: S301 - our own process sent it
    except (MediaFolderError, PageError) as error:
        return error
    except MemoryError:
        return PageError("archive.export.too_much_memory")
    except Exception as error:
        reason = error_message(error)
        return PageError(reason.code, **reason.params)


def _limit_memory(more: int) -> None:
    """Let this process allocate about so many bytes more; beyond that it gets a MemoryError."""
    if _STATM.exists():
        used = int(_STATM.read_text().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = used + more
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
