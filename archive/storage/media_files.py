"""Store media files by their content, each once, in a local folder or any storage that fsspec supports.

The small forms of covers that lists of posts show are kept beside them.
"""

import errno
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.registry import known_implementations

from archive.db.settings import ArchiveSettings
from archive.domain.errors import IntegrityError, MediaFolderError, MediaMissing, MediaUnreadable
from archive.system.files import is_below, make_private_folder, private_opener

_BY_HASH = re.compile("[0-9a-f]{2}")

# Errors that concern one file: unreadable on its disk, or not a file at all.
_OF_ONE_FILE = (errno.EIO, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)

# Storages of objects in buckets: they have no folders, and one made in its place would be a bucket.
_BUCKET_PROTOCOLS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "oss", "cos", "obs", "tos"})

_HASH_NAME = re.compile(r"(?:^|/)([0-9a-f]{64})\.[^/]*$")

SMALL_FORMS_FOLDER = "small"  # of covers, which lists of posts show

UNFINISHED_FOLDER = "unfinished"  # where files are written before they get their name


def has_buckets(files: fsspec.AbstractFileSystem) -> bool:
    """Tell whether a storage keeps objects in buckets."""
    names = files.protocol
    return not _BUCKET_PROTOCOLS.isdisjoint([names] if isinstance(names, str) else names)


def check_scheme(address: str) -> None:
    """Raise MediaFolderError for an address whose scheme no storage has; a folder has none."""
    scheme, separator, _ = address.partition("://")
    name = scheme.rpartition("::")[2]
    if separator and name not in {*fsspec.registry, *known_implementations}:
        params = {"folder": _without_secrets(address), "scheme": name}
        raise MediaFolderError("archive.media_folder.unknown_scheme", **params)


class MediaFolder:
    """The media folder. Every method raises MediaFolderError, without a password, when it cannot be used."""

    def __init__(self, settings: ArchiveSettings) -> None:
        address = settings.media or str(settings.home / "media")
        self._shown = _without_secrets(address)
        check_scheme(address)
        try:
            # A listing from before would hide what other processes have written or removed since.
            options = {"use_listings_cache": False} if "://" in address else {}
            self._files, self._root = fsspec.core.url_to_fs(address, **options)
        except ImportError as error:  # fsspec says which package
            raise self._error("archive.media_folder.package_missing", error, reason=str(error)) from None
        except Exception as error:  # each storage has errors of its own
            raise self._error("archive.media_folder.unusable", error) from None
        self._has_buckets = has_buckets(self._files)
        if self._has_buckets and not self._root.strip("/"):
            raise MediaFolderError("archive.media_folder.without_bucket", folder=self._shown)
        # A folder that the operator names elsewhere is as open as the umask says.
        self._is_private = is_below(Path(self._root), settings.home)

    def _error(self, code: str, error: Exception, **params: str) -> MediaFolderError:
        return MediaFolderError(code, **{"folder": self._shown, "reason": _reason(error), **params})

    def put(self, content: bytes, sha256: bytes, suffix: str) -> str:
        """Store a file unless it is there; return its path within the folder. `suffix` is as in .png."""
        path = path_of(sha256, suffix)
        try:
            if self._size(path) != len(content):
                self._write(path, content)
        except Exception as error:  # each storage has errors of its own
            if isinstance(error, FileNotFoundError):
                self._check_bucket(error)
            raise self._error("archive.media_folder.not_writable", error) from None
        return path

    def get(self, path: str, sha256: bytes) -> bytes:
        """Return the content of a file.

        Raises MediaMissing when it is not there, IntegrityError when it is damaged or its path leads out of
        the folder, and its subclass MediaUnreadable when it cannot be read.
        """
        if not _is_inside(path):
            raise IntegrityError("archive.media_file.outside", path=path)
        try:
            content: bytes = self._files.cat_file(self._at(path))
        except FileNotFoundError as error:
            self._check_bucket(error)
            raise MediaMissing("archive.media_file.missing", path=path, folder=self._shown) from None
        except Exception as error:  # each storage has errors of its own
            if getattr(error, "errno", None) in _OF_ONE_FILE and self._files.isdir(self._root):
                raise MediaUnreadable(
                    "archive.media_file.unreadable", path=path, reason=_reason(error)
                ) from None
            raise self._error("archive.media_folder.not_readable", error) from None
        if hashlib.sha256(content).digest() != sha256:
            raise IntegrityError("archive.media_file.wrong_hash", path=path)
        return content

    def put_small_form(self, content: bytes, sha256: bytes) -> None:
        """Store the small form of the image with this SHA-256, in place of an earlier one."""
        try:
            self._write(small_path_of(sha256), content)
        except Exception as error:  # each storage has errors of its own
            raise self._error("archive.media_folder.not_writable", error) from None

    def small_form(self, sha256: bytes) -> bytes:
        """Return the small form of the image with this SHA-256; empty where there is none."""
        try:
            content: bytes = self._files.cat_file(self._at(small_path_of(sha256)))
        except FileNotFoundError:
            return b""
        except Exception as error:  # each storage has errors of its own
            raise self._error("archive.media_folder.not_readable", error) from None
        return content

    def remove(self, path: str) -> None:
        """Remove a file and its small form, if they are there; a path out of the folder is of none."""
        if not _is_inside(path):
            return
        small = [small_path_of(bytes.fromhex(name[1]))] if (name := _HASH_NAME.search(path)) else []
        try:
            for one in (path, *small):
                with suppress(FileNotFoundError):
                    self._files.rm_file(self._at(one))
        except Exception as error:  # each storage has errors of its own
            raise self._error("archive.media_folder.not_removable", error, path=path) from None

    def paths(self) -> Iterator[str]:
        """Yield the paths of all files, in order; those of one two-digit folder are in memory at a time."""
        try:
            for folder in sorted(self._files.ls(self._root, detail=False)):
                if _BY_HASH.fullmatch(folder.rpartition("/")[2]):
                    start = len(folder) - 2
                    yield from (path[start:] for path in sorted(self._files.find(folder)))
        except FileNotFoundError as error:
            self._check_bucket(error)
            return  # nothing was ever stored
        except Exception as error:  # each storage has errors of its own
            raise self._error("archive.media_folder.not_listable", error) from None

    def _at(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"

    def _check_bucket(self, error: FileNotFoundError) -> None:
        """Raise MediaFolderError where the error is that the bucket is missing, and every file with it."""
        if not self._has_buckets:
            return
        try:
            is_there = self._files.exists(self._root.partition("/")[0])
        except Exception:  # listing it may be forbidden
            is_there = True
        if not is_there:
            raise self._error("archive.media_folder.does_not_exist", error) from None

    def _size(self, path: str) -> int | None:
        try:
            size: int = self._files.size(self._at(path))
        except FileNotFoundError:
            return None
        return size

    def _write(self, path: str, content: bytes) -> None:
        if isinstance(self._files, LocalFileSystem):
            write_atomically(Path(self._root), path, content, is_private=self._is_private)
        else:  # object storage shows only complete files; elsewhere the size shows an incomplete one
            if not self._has_buckets:
                self._files.makedirs(self._at(path).rpartition("/")[0], exist_ok=True)
            self._files.pipe_file(self._at(path), content)


def small_path_of(sha256: bytes) -> str:
    """Return the path within the folder of an image's small form; `paths` does not list it."""
    return f"{SMALL_FORMS_FOLDER}/{path_of(sha256, '.jpg')}"


def path_of(sha256: bytes, suffix: str) -> str:
    """Return the path within the folder of a file with this SHA-256 and suffix."""
    name = sha256.hex()
    return f"{name[:2]}/{name[2:4]}/{name}{suffix}"


def _is_inside(path: str) -> bool:
    """Tell whether a path from a row, which a forged backup may have brought, stays within the folder."""
    parts = path.split("/")
    return path.isprintable() and "\\" not in path and not {"", ".", ".."} & set(parts)


def write_atomically(
    root: Path, path: str, content: bytes, *, is_private: bool, is_new: bool = False
) -> None:
    """Write a file so that after any crash it is there completely or not at all.

    `is_new`: raise FileExistsError where there is one already, whoever writes it at the same moment.
    """
    target, part = root / path, root / UNFINISHED_FOLDER / uuid4().hex
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
            if is_new:
                target.hardlink_to(part)
                part.unlink()
            else:
                part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    for folder in (target.parent, target.parent.parent, root):  # each may have just been created
        _sync(folder)


@contextmanager
def _writing_in(unfinished: Path) -> Iterator[None]:
    """Share a lock that the kernel drops with a killed process; a lone process removes what those left."""
    handle = os.open(unfinished, os.O_RDONLY)
    try:
        with suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for leftover in unfinished.iterdir():
                leftover.unlink()
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


def _reason(error: Exception) -> str:
    """Return what went wrong without any address: a storage's own text may hold a password."""
    return getattr(error, "strerror", None) or type(error).__name__


# Small forms of covers follow from the images and are no evidence: no row names them, `verify` and backups
# leave them out, and where one is missing it is made again.
COVER_SIZE = (208, 90)  # pixels of a small cover: twice those of the card, for fine displays

MAX_COVER_PIXELS = 25_000_000  # of an image that is made smaller; covers of WeChat have half a million


def small_cover(content: bytes) -> bytes:
    """Return an image as a JPEG that covers COVER_SIZE; empty for one that is too large or cannot be read."""
    from PIL import Image, ImageOps  # noqa: PLC0415 - the web server starts without it

    try:
        with Image.open(BytesIO(content)) as image:
            if image.width * image.height > MAX_COVER_PIXELS:
                return b""
            image.draft("RGB", COVER_SIZE)
            whole = image.convert("RGBA")
            paper = Image.new("RGB", whole.size, "white")
            paper.paste(whole, mask=whole)
            written = BytesIO()
            ImageOps.fit(paper, COVER_SIZE).save(written, "JPEG", quality=80)
    except Exception:  # Pillow's decoders raise errors of many types
        return b""
    return written.getvalue()


def keep_small_cover(folder: MediaFolder, content: bytes, sha256: bytes) -> bool:
    """Make the small form of an image and store it; return whether it is there.

    What goes wrong is no error: the image itself is stored, and the page that shows it makes it small.
    """
    try:
        if folder.small_form(sha256):
            return True
        small = small_cover(content)
        if small:
            folder.put_small_form(small, sha256)
    except MediaFolderError:
        return False
    return bool(small)
