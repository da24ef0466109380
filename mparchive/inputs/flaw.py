"""What of an input is not taken: a flawed part, a part that is not ours, or all of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flaw:
    """One part of an input that cannot be taken; the other parts can."""

    source: str
    where: str  # "record 3" or "line 12"; empty when it is the whole
    what: str

    def __str__(self) -> str:
        return f"{self.source}, {self.where}: {self.what}" if self.where else self.what


@dataclass(frozen=True, slots=True)
class Passed:
    """Parts of an input that are in order, but nothing to archive."""

    source: str
    number: int
    what: str

    def __str__(self) -> str:
        return f"{self.source}: {self.number} {self.what}"


class InputError(Exception):
    """Nothing of an input can be taken; the message is one sentence that names it."""


class NoInput(InputError):
    """It is in order, but nothing that could be taken in."""
