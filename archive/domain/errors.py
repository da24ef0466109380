"""Errors of the archive. Each message is one sentence for the person at the terminal."""

MAX_MESSAGE = 200  # characters of an error's message that are kept


def first_line(error: BaseException) -> str:
    """The first line of what went wrong, in the driver's words where it is the database's."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


def in_words(error: BaseException) -> str:
    """The class of an error and the first line of its message, shortened."""
    name, message = type(error).__name__, " ".join(first_line(error).split())[:MAX_MESSAGE]
    return f"{name}: {message}" if message else name


class ArchiveError(Exception):
    """Root of what the archive raises on purpose."""


class RecordError(ArchiveError):
    """A record of a dump is not one."""


class AddressError(ArchiveError):
    """An address is not one of a post on mp.weixin.qq.com."""


class DatabaseUnavailable(ArchiveError):
    """The database cannot be reached, started or migrated."""


class MediaFolderError(ArchiveError):
    """The media folder cannot be used, read or written."""


class MediaMissing(ArchiveError):
    """A file is not in the media folder."""


class IntegrityError(ArchiveError):
    """Something stored is not what was stored."""


class MediaUnreadable(IntegrityError):
    """A file in the media folder cannot be read, while others can."""


class NotArchived(ArchiveError):
    """There is no such thing in the archive."""


class ExportError(ArchiveError):
    """A file of an export cannot be written."""


class NothingWritable(ExportError):
    """No file of an export can be written: the disk is full, or the folder may not be written to."""


class PageError(ArchiveError):
    """The page of a post cannot be made."""


class TokenUnusable(ArchiveError):
    """The inbox's token cannot be read, or is none."""
