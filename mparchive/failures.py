"""Expected failures: each is one sentence for the person at the terminal, and a documented exit code."""

from archive.errors import ArchiveError, DatabaseUnavailable, IntegrityError, first_line
from mparchive.exits import CommandError, Exit

STOPPED = "stopped; the same command goes on where this one was"


def explained(error: Exception) -> tuple[str, Exit] | None:
    """What to say and what to end with; None for what nobody expected."""
    match error:
        case CommandError():
            return str(error), error.code
        case DatabaseUnavailable():
            return str(error), Exit.DATABASE
        case IntegrityError():
            return str(error), Exit.INTEGRITY
        case ArchiveError():
            return str(error), Exit.USAGE
        case _:
            return _of_libraries(error)


def _of_libraries(error: Exception) -> tuple[str, Exit] | None:
    """… whose errors are known only where they are loaded: after a failure that is no matter."""
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415

    from scheduler.toml import ConfigError  # noqa: PLC0415

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
