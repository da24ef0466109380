"""Exit codes, and the errors that carry them to the end of the command."""

from enum import IntEnum


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
