"""Objects below an address: a folder, or any storage that fsspec supports, with retries and time-outs.

No message holds a password: of a storage's own errors only their codes and the system's words are shown.
"""

import errno
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from archive.backup.backup_file import BackupError
from archive.domain.backoff import exponential
from archive.storage.media_files import has_buckets, write_atomically

ATTEMPTS = 5  # of one operation; with the waits between them a storage may restart meanwhile

FIRST_WAIT, LAST_WAIT = timedelta(seconds=1), timedelta(seconds=15)  # between two attempts; doubles

CONNECT_TIMEOUT = 10  # seconds

READ_TIMEOUT = 60  # seconds without a byte, while an answer is awaited

# A user, or what looks like a key with its secret, which may hold slashes.
_SECRET_PARTS = re.compile(r"//(?:[^/@]*|[^@/]*:.*)@")

# Another attempt does not mend these; the same holds for the errors of botocore below.
_LASTING = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)

_LASTING_CODES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP})

_LASTING_CLASSES = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "ParamValidationError", "ProfileNotFound"}
    | {"InvalidRegionError", "NoRegionError", "UnknownServiceError", "TokenRetrievalError"}
    | {"ConfigParseError", "ConfigNotFound", "InvalidEndpointConfigurationError"}
)

_NO_CREDENTIALS = frozenset({"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"})

_TAKEN_CODES = frozenset(
    {"PreconditionFailed", "ConditionalRequestConflict"}
)  # of S3, for an exclusive write

_UNKNOWN_CODES = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest"})  # of a server without it

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

_Result = TypeVar("_Result")


def without_secrets(address: str) -> str:
    """Return an address as it may be shown and stored: without user, password and query."""
    return _SECRET_PARTS.sub("//", address.partition("?")[0] if "://" in address else address)


class ObjectStore:
    """The objects below an address. Every method raises BackupError when the storage cannot be used.

    Methods may be called by several threads. `sleep` waits so many seconds between two attempts.
    """

    def __init__(self, address: str, sleep: Callable[[float], None] = time.sleep):
        check_address(address)
        self.shown = without_secrets(address)
        self._sleep = sleep
        import fsspec  # noqa: PLC0415 - only commands that use one need it
        from fsspec.implementations.local import LocalFileSystem  # noqa: PLC0415

        try:
            if "://" in address:
                self._files, root = fsspec.core.url_to_fs(address, **_options(address))
            else:  # fsspec would read more than a folder's name out of some characters
                self._files, root = LocalFileSystem(), str(Path(address).absolute())
        except ImportError:
            raise BackupError("archive.backup.target.package_missing", target=self.shown) from None
        except Exception as error:  # each storage has errors of its own
            raise self._error(error) from None
        if hasattr(self._files, "retries"):
            self._files.retries = 1  # the attempts are counted here
        self._has_buckets = has_buckets(self._files)
        self._root = str(root).rstrip("/")
        if self._has_buckets and not self._root:
            raise BackupError("archive.backup.target.not_an_address", target=self.shown)
        self.is_local = isinstance(self._files, LocalFileSystem)

    def read(self, name: str) -> bytes:
        """Return the content of an object. Raises FileNotFoundError where there is none."""
        content: bytes = self._try(lambda: self._files.cat_file(self._at(name)))
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write an object, whole or not at all; one of this name is replaced."""
        try:
            self._try(lambda: self._write(name, content))
        except FileExistsError as error:
            raise self._error(error) from None
        except FileNotFoundError:
            raise BackupError("archive.backup.target.missing", target=self.shown) from None

    def create(self, name: str, content: bytes) -> bool:
        """Write a small object unless there is one of this name; return whether it was written."""
        try:
            self._try(lambda: self._create(name, content))
        except FileExistsError:
            return False
        except FileNotFoundError:
            raise BackupError("archive.backup.target.missing", target=self.shown) from None
        return self.read(name) == content  # where a storage cannot write exclusively, the last one wins

    def names(self, folder: str) -> list[str]:
        """Return the names of what is directly in a folder, in order; nothing where there is no folder."""
        at = self._at(folder).rstrip("/")
        paths = (str(path).rstrip("/") for path in self._list(folder))
        return sorted(
            path.rpartition("/")[2] for path in paths if path != at
        )  # S3 may list a folder in itself

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the size in bytes of every object below a folder, by its name within the store."""
        try:
            found = self._try(lambda: self._files.find(self._at(folder), detail=True))
        except FileNotFoundError:
            return {}
        start = len(self._at(""))
        return {str(path)[start:]: int(entry.get("size") or 0) for path, entry in found.items()}

    def shards(self, folder: str) -> Iterator[dict[str, int]]:
        """Yield the sizes of all objects below a folder by its folders: those of one are in memory."""
        for name in self.names(folder):
            yield self.sizes(f"{folder}/{name}")

    def remove(self, name: str) -> None:
        """Remove an object if it is there."""
        try:
            self._try(lambda: self._files.rm_file(self._at(name)))
        except FileNotFoundError:
            return

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _list(self, folder: str) -> list[Any]:
        try:
            return list(
                self._try(
                    lambda: self._files.ls(self._at(folder).rstrip("/") or "/", detail=False, refresh=True)
                )
            )
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _write(self, name: str, content: bytes) -> None:
        if self.is_local:
            write_atomically(Path(self._root), name, content, is_private=True)
        else:  # object storage shows only complete objects
            self._make_folder(name)
            self._files.pipe_file(self._at(name), content)

    def _create(self, name: str, content: bytes) -> None:
        if self.is_local:
            write_atomically(Path(self._root), name, content, is_private=True, is_new=True)
            return
        self._make_folder(name)
        try:
            self._files.pipe_file(self._at(name), content, mode="create")
        except Exception as error:  # some servers that speak S3 know no exclusive write
            code = _service_code(error)
            if code in _TAKEN_CODES or (code in _UNKNOWN_CODES and self._files.exists(self._at(name))):
                raise FileExistsError from None
            if code not in _UNKNOWN_CODES:
                raise
            self._files.pipe_file(self._at(name), content)

    def _make_folder(self, name: str) -> None:
        """Make the folder of an object, but where there are no folders: S3 would make a bucket."""
        if not self._has_buckets:
            self._files.makedirs(self._at(name).rpartition("/")[0], exist_ok=True)

    def _try(self, operation: Callable[[], _Result]) -> _Result:
        """Do something, again after a while where that may help. Raises OSError for a name, BackupError."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return operation()
            except (FileNotFoundError, FileExistsError):
                raise
            except Exception as error:  # each storage has errors of its own
                if attempt == ATTEMPTS or _is_lasting(error):
                    raise self._error(error) from error
            self._sleep(exponential(attempt, FIRST_WAIT, LAST_WAIT).total_seconds())
        raise AssertionError

    def _error(self, error: Exception) -> BackupError:
        params = {"target": self.shown, "reason": _reason(error)}
        number = getattr(error, "errno", None)
        if number in _NO_ROOM:
            return BackupError("archive.backup.target.full", **params)
        if type(error).__name__ in _NO_CREDENTIALS:
            return BackupError("archive.backup.target.no_credentials", **params)
        if isinstance(error, PermissionError) or number == errno.EROFS:
            return BackupError("archive.backup.target.refused", **params)
        if isinstance(error, NotADirectoryError | FileExistsError):
            return BackupError("archive.backup.target.not_a_folder", **params)
        return BackupError("archive.backup.target.unusable", **params)


def check_address(address: str) -> None:
    """Raise BackupError for an address that cannot be one, or that holds a password."""
    if not address.strip() or not address.isprintable():
        raise BackupError("archive.backup.target.empty")
    scheme, separator, _ = address.partition("://")
    if not separator:
        return
    try:
        match = _SECRET_PARTS.search(address) if urlsplit(address) else None
    except ValueError:
        raise BackupError("archive.backup.target.not_an_address", target=without_secrets(address)) from None
    if match and ":" in match[0]:
        raise BackupError("archive.backup.target.password", target=without_secrets(address))
    from fsspec.registry import known_implementations, registry  # noqa: PLC0415 - as above

    name = scheme.rpartition("::")[2]
    if name not in {*registry, *known_implementations}:
        raise BackupError(
            "archive.backup.target.unknown_scheme", target=without_secrets(address), scheme=name
        )


def _options(address: str) -> dict[str, Any]:
    """Return what the storage is opened with: time-outs, and no listing from before."""
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if address.startswith(("s3://", "s3a://")):
        timeouts = {"connect_timeout": CONNECT_TIMEOUT, "read_timeout": READ_TIMEOUT}
        options["config_kwargs"] = {**timeouts, "retries": {"max_attempts": 0}}
    return options


def _is_lasting(error: Exception) -> bool:
    """Tell whether another attempt would fail as well."""
    return (
        isinstance(error, (*_LASTING, ValueError, TypeError, NotImplementedError))
        or getattr(error, "errno", None) in _LASTING_CODES
        or type(error).__name__ in _LASTING_CLASSES
    )


def _service_code(error: BaseException) -> str:
    """Return the code that S3 gave for an error; empty where none did."""
    response = getattr(error.__cause__, "response", None) or getattr(error, "response", None) or {}
    code = response.get("Error", {}).get("Code", "") if isinstance(response, dict) else ""
    return code if re.fullmatch(r"[A-Za-z0-9.]{1,60}", str(code)) else ""


def _reason(error: Exception) -> str:
    """Return what went wrong without any address or key, which a storage's own text may hold."""
    words = getattr(error, "strerror", None) if error.__cause__ is None else None
    return _service_code(error) or words or type(error).__name__
