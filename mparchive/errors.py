"""Exit codes, and the errors that carry them to the end of the command."""

from enum import IntEnum

from archive.domain.errors import (
    DatabaseUnavailable,
    IntegrityError,
    MessageError,
    file_message,
    first_line,
)
from archive.system.files import FileWriteError


class Exit(IntEnum):
    """What the command's exit code says; the README and --help list the same."""

    DONE = 0
    USAGE = 2
    PARTLY_FAILED = 3
    NOTHING_FETCHED = 4
    VERIFICATION = 5
    DATABASE = 6
    INTEGRITY = 7
    INTERRUPTED = 130


EXPLAINED = (
    "Exit codes: 0 done, 2 wrong usage or input and nothing done, 3 partly failed, "
    "4 nothing could be fetched, 5 the server demands verification, 6 database, 7 integrity, 130 interrupted."
)


class CommandError(Exception):
    """Ends the command with one sentence and an exit code."""

    def __init__(self, message: str, code: Exit = Exit.USAGE):
        super().__init__(message)
        self.code = code


STOPPED = "stopped; the same command goes on where this one was"


def error_message(error: Exception) -> tuple[str, Exit] | None:
    """What to say and what to end with; None for what nobody expected."""
    match error:
        case CommandError():
            return str(error), error.code
        case DatabaseUnavailable():
            return str(error), Exit.DATABASE
        case IntegrityError():
            return str(error), Exit.INTEGRITY
        case MessageError():
            return str(error), Exit.USAGE
        case FileWriteError():
            return str(file_message(error)), Exit.USAGE
        case _:
            return _of_libraries(error)


def _of_libraries(error: Exception) -> tuple[str, Exit] | None:
    """… whose errors are known only where they are loaded: after a failure that is no matter."""
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415

    from scheduler.config_errors import ConfigError  # noqa: PLC0415

    if isinstance(error, ConfigError):
        return str(error), Exit.USAGE
    if isinstance(error, DBAPIError) and _was_stopped(error.orig):
        return STOPPED, Exit.INTERRUPTED
    if isinstance(error, DBAPIError):
        first = first_line(error)
        words = f"the database failed ({first}); what was done before is kept, run the same command again"
        return words, Exit.DATABASE
    return None


def _was_stopped(error: BaseException | None) -> bool:
    """Whether Ctrl-C came amid a statement: tidying up then fails in words of the driver's own."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
