"""What is to be written of one post."""

from collections.abc import Callable
from dataclasses import dataclass, field

from archive.media.kept import KeptFile
from archive.offline.shown import ShownPost


@dataclass(frozen=True)
class Made:
    """The content of a post's file. `files` are those of the media folder, `pictures` others, each by its
    path beside the post; `troubles` and `damaged` say which files of the media folder could not be read.
    """

    content: bytes
    files: dict[str, KeptFile] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    damaged: bool = False


Make = Callable[[ShownPost], Made]
