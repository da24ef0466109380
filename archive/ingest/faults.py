"""Tell errors that one page or record causes from those of the database, the disk or the process."""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from archive.domain.errors import AddressError, ArchiveError, RecordError

_LIMIT_EXCEEDED = "54"  # class of SQLSTATE: a row or statement that is too large for the database


def is_of_content(error: Exception) -> bool:
    """Whether the error comes from what was read or stored, so that everything else can go on.

    An outage of the database, a full disk and too little memory would meet every other page as well.
    """
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        return isinstance(error, DataError | IntegrityError) or state.startswith(_LIMIT_EXCEEDED)
    if isinstance(error, ArchiveError):
        return isinstance(error, AddressError | RecordError)
    return not isinstance(error, SQLAlchemyError | OSError | MemoryError)
