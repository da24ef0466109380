"""Exit codes, and the table that maps exceptions to them."""

from enum import IntEnum

from archive.domain.errors import (
    DatabaseUnavailable,
    IntegrityError,
    MessageError,
    file_message,
    first_line,
)
from archive.domain.messages import Message
from archive.system.files import FileWriteError


class Exit(IntEnum):
    """Exit codes of the command; the README and --help list the same."""

    DONE = 0
    USAGE = 2
    PARTLY_FAILED = 3
    NOTHING_FETCHED = 4
    VERIFICATION = 5
    DATABASE = 6
    INTEGRITY = 7
    INTERRUPTED = 130


class CommandError(MessageError):
    """Ends the command with one sentence and an exit code."""

    def __init__(self, message: Message | str, code: Exit = Exit.USAGE):
        """Take a message, or the text of a sentence that is already in the language of the process."""
        message = message if isinstance(message, Message) else Message("archive.verbatim", {"text": message})
        super().__init__(message.code, **message.params)
        self.code = code


class OutputError(CommandError):
    """Standard output cannot be written, for example because the disk is full."""

    def __init__(self, error: OSError):
        reason = (error.strerror or str(error)).lower()
        super().__init__(Message("mparchive.error.output", {"reason": reason}))


STOPPED = Message("mparchive.error.stopped")

# The first class that fits decides; a CommandError carries its own code.
_EXITS: tuple[tuple[type[MessageError], Exit], ...] = (
    (DatabaseUnavailable, Exit.DATABASE),
    (IntegrityError, Exit.INTEGRITY),
    (MessageError, Exit.USAGE),
)


def describe_failure(error: Exception) -> tuple[Message, Exit] | None:
    """Return the message and the exit code of an expected error, None for any other."""
    if isinstance(error, CommandError):
        return error.message, error.code
    if isinstance(error, MessageError):
        return error.message, next(code for kind, code in _EXITS if isinstance(error, kind))
    if isinstance(error, FileWriteError):
        return file_message(error), Exit.USAGE
    return _library_error(error)


def _library_error(error: Exception) -> tuple[Message, Exit] | None:
    """Return the same for errors of a library that takes long to import."""
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415

    if isinstance(error, DBAPIError) and _is_interrupted(error.orig):
        return STOPPED, Exit.INTERRUPTED
    if isinstance(error, DBAPIError):
        return Message("mparchive.error.database_failed", {"reason": first_line(error)}), Exit.DATABASE
    return None


def _is_interrupted(error: BaseException | None) -> bool:
    """Tell whether Ctrl-C came during a statement: the driver then fails while it closes the connection."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
