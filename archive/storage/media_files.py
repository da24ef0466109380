"""The media folder: files by their content, written once; a folder here or any storage fsspec knows."""

import errno
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import fsspec
from fsspec.implementations.local import LocalFileSystem

from archive.db.settings import ArchiveSettings
from archive.domain.errors import IntegrityError, MediaFolderError, MediaMissing, MediaUnreadable
from archive.system.private_files import make_private_folder, private_opener

_BY_HASH = re.compile("[0-9a-f]{2}")

# What a system says of one file: lost by its disk, or not a file at all.
_OF_ONE_FILE = (errno.EIO, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)

UNFINISHED = "unfinished"  # where files are written before they get their name


class MediaFolder:
    """Raises MediaFolderError, in one sentence and without a password, when it cannot be used."""

    def __init__(self, settings: ArchiveSettings) -> None:
        address = settings.media or str(settings.home / "media")
        self._is_private = not settings.media  # a folder that the operator names is as open as the umask says
        self._shown = _without_secrets(address)
        try:
            self._files, self._root = fsspec.core.url_to_fs(address)
        except ImportError as error:  # fsspec says which package
            raise MediaFolderError(
                f"MPARCHIVE_MEDIA is {self._shown}, for which a package is missing ({error}); "
                "install it beside mparchive, or name a folder"
            ) from None
        except Exception as error:  # each storage has errors of its own
            raise MediaFolderError(
                f"MPARCHIVE_MEDIA is {self._shown}, which cannot be used ({_words(error)}); "
                "name a folder, or the address of a storage such as s3://bucket/prefix"
            ) from None

    def put(self, content: bytes, sha256: bytes, suffix: str) -> str:
        """Store a file, unless it is there; returns its path within the folder. `suffix` as in .png."""
        path = path_of(sha256, suffix)
        try:
            if self._size(path) != len(content):
                self._write(path, content)
        except Exception as error:  # each storage has errors of its own
            raise MediaFolderError(
                f"cannot write to the media folder {self._shown} ({_words(error)}); "
                "make room or set MPARCHIVE_MEDIA"
            ) from None
        return path

    def get(self, path: str, sha256: bytes) -> bytes:
        """The content of a file; raises MediaMissing when it is not there, IntegrityError when it is damaged,
        of which MediaUnreadable is one.
        """
        try:
            content: bytes = self._files.cat_file(self._at(path))
        except FileNotFoundError:
            raise MediaMissing(f"{path} is not in the media folder {self._shown}") from None
        except Exception as error:  # each storage has errors of its own
            if getattr(error, "errno", None) in _OF_ONE_FILE and self._files.isdir(self._root):
                raise MediaUnreadable(
                    f"{path} in the media folder cannot be read ({_words(error)})"
                ) from None
            raise MediaFolderError(
                f"cannot read the media folder {self._shown} ({_words(error)}); check MPARCHIVE_MEDIA"
            ) from None
        if hashlib.sha256(content).digest() != sha256:
            raise IntegrityError(f"{path} in the media folder does not have the hash it was stored with")
        return content

    def remove(self, path: str) -> None:
        """Take a file out again, if it is there."""
        try:
            with suppress(FileNotFoundError):
                self._files.rm_file(self._at(path))
        except Exception as error:  # each storage has errors of its own
            raise MediaFolderError(
                f"cannot remove {path} from the media folder {self._shown} ({_words(error)}); do it by hand"
            ) from None

    def paths(self) -> Iterator[str]:
        """The files that are there, in order, those of one first letter pair at a time in memory."""
        try:
            for folder in sorted(self._files.ls(self._root, detail=False)):
                if _BY_HASH.fullmatch(folder.rpartition("/")[2]):
                    start = len(folder) - 2
                    yield from (found[start:] for found in sorted(self._files.find(folder)))
        except FileNotFoundError:
            return  # nothing was ever put
        except Exception as error:  # each storage has errors of its own
            raise MediaFolderError(
                f"cannot list the media folder {self._shown} ({_words(error)}); check MPARCHIVE_MEDIA"
            ) from None

    def _at(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"

    def _size(self, path: str) -> int | None:
        try:
            size: int = self._files.size(self._at(path))
        except FileNotFoundError:
            return None
        return size

    def _write(self, path: str, content: bytes) -> None:
        if isinstance(self._files, LocalFileSystem):
            _write_whole(Path(self._root), path, content, is_private=self._is_private)
        else:  # a storage shows a file when it is whole; where one does not, its size will tell
            self._files.makedirs(self._at(path).rpartition("/")[0], exist_ok=True)
            self._files.pipe_file(self._at(path), content)


def path_of(sha256: bytes, suffix: str) -> str:
    """Where a file of this content and ending lies within the folder."""
    name = sha256.hex()
    return f"{name[:2]}/{name[2:4]}/{name}{suffix}"


def _write_whole(root: Path, path: str, content: bytes, *, is_private: bool) -> None:
    """Write a file so that whatever happens it is there wholly or not at all."""
    target, part = root / path, root / UNFINISHED / uuid4().hex
    for folder in (target.parent, part.parent):
        if is_private:
            make_private_folder(folder)
        else:
            folder.mkdir(parents=True, exist_ok=True)
    with _writing_in(part.parent):
        try:
            with open(part, "xb", opener=private_opener if is_private else None) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    for folder in (target.parent, target.parent.parent, root):  # each may have been made just now
        _sync(folder)


@contextmanager
def _writing_in(unfinished: Path) -> Iterator[None]:
    """Share a lock that the kernel drops when a process is killed; who is alone removes what those left."""
    handle = os.open(unfinished, os.O_RDONLY)
    try:
        with suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in unfinished.iterdir():
                left.unlink()
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _without_secrets(address: str) -> str:
    return re.sub(r"//[^/]*@", "//", address.partition("?")[0])


def _words(error: Exception) -> str:
    """What went wrong, in words that hold no address: a storage's own may hold a password."""
    return getattr(error, "strerror", None) or type(error).__name__
