"""What is wrong with an input: a flaw of one part, or an error that makes all of it useless."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flaw:
    """One part of an input that cannot be taken; the other parts can."""

    source: str
    where: str  # "record 3" or "line 12"; empty when it is the whole
    what: str

    def __str__(self) -> str:
        return f"{self.source}, {self.where}: {self.what}" if self.where else self.what


class InputError(Exception):
    """Nothing of an input can be taken; the message is one sentence that names it."""
