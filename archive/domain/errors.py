"""Errors of the archive. Each carries a message: a stable code with parameters."""

import shlex
from typing import Any

from archive.domain.messages import Message
from archive.system.files import FileUnusable, FileWriteError

MAX_MESSAGE = 200  # characters of an error's message that are kept


def first_line(error: BaseException) -> str:
    """Return the first line of an error, the driver's own text for an error of the database."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


def file_message(error: FileUnusable | FileWriteError) -> Message:
    """Return the message of a file that could not be read or written."""
    match error:
        case FileWriteError():
            return Message("archive.file.unwritable", {"path": error.filename, "reason": error.strerror})
        case FileUnusable(is_open=True):
            return Message("archive.file.open_to_others", {"path": shlex.quote(str(error.path))})
        case FileUnusable(limit=int(limit)):
            return Message("archive.file.too_large", {"path": str(error.path), "limit": limit})
    return Message("archive.file.unreadable", {"path": str(error.path), "reason": error.reason})


def error_message(error: BaseException) -> Message:
    """Return the message of an error; for one of a library its class and the first line of its text."""
    if isinstance(error, MessageError):
        return error.message
    if isinstance(error, FileUnusable | FileWriteError):
        return file_message(error)
    name, text = type(error).__name__, " ".join(first_line(error).split())[:MAX_MESSAGE]
    return Message("archive.error.other", {"error": name, "detail": text or name})


class MessageError(Exception):
    """An error that says what was wrong, and what to do, by a message code with parameters."""

    def __init__(self, code: str, **params: Any):
        super().__init__(code, params)
        self.message = Message(code, params)

    def __str__(self) -> str:
        return str(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_error, (type(self), self.message.code, dict(self.message.params), self.__dict__)


def _restore_error(kind: type[MessageError], code: str, params: dict[str, Any], state: dict[str, Any]) -> Any:
    """Rebuild an error that another process raised."""
    error = kind.__new__(kind)
    Exception.__init__(error, code, params)
    error.__dict__.update(state)
    return error


class ArchiveError(MessageError):
    """Base of the errors that the archive raises on purpose."""


class RecordError(ArchiveError):
    """A record of a dump is not valid."""


class AddressError(ArchiveError):
    """An address is not one of a post on mp.weixin.qq.com."""


class DatabaseUnavailable(ArchiveError):
    """The database cannot be reached, started or migrated."""


class MediaFolderError(ArchiveError):
    """The media folder cannot be used, read or written."""


class MediaMissing(ArchiveError):
    """A file is not in the media folder."""


class IntegrityError(ArchiveError):
    """Stored data is damaged."""


class MediaUnreadable(IntegrityError):
    """A file in the media folder cannot be read, while others can."""


class NotArchived(ArchiveError):
    """The archive does not have what was asked for."""


class PageError(ArchiveError):
    """The page of a post cannot be made."""


class TokenUnusable(ArchiveError):
    """The inbox's token cannot be read, or is not valid."""
