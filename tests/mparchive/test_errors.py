"""What is said of failures that libraries put into words of their own."""

from sqlalchemy.exc import DBAPIError

from archive.domain.messages import Message
from mparchive.errors import STOPPED, Exit, describe_failure


def _tidied_up_after_ctrl_c() -> Exception:
    """Return what a driver raises when Ctrl-C ended a statement and its connection is closed."""
    try:
        try:
            raise KeyboardInterrupt
        finally:
            raise ValueError("can't change 'autocommit' now")
    except ValueError as error:
        return error


def test_ctrl_c_amid_a_statement_is_no_failure_of_the_database() -> None:
    assert describe_failure(DBAPIError("SELECT 1", {}, _tidied_up_after_ctrl_c())) == (
        STOPPED,
        Exit.INTERRUPTED,
    )
    failure = describe_failure(DBAPIError("SELECT 1", {}, ValueError("gone")))
    message = Message("mparchive.error.database_failed", {"reason": "gone"})
    assert failure == (message, Exit.DATABASE)
