"""What a command did with each post, counted, and the table that it prints at its end."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from archive.domain.messages import Message
from archive.system.catalogues import Language, process_language
from mparchive.console import printable

# In the order of the table's rows; each has its words in the catalogue.
COUNTED = (
    "new",
    "known",
    "changed",
    "unchanged",
    "foreign",
    "deleted",
    "violation",
    "unavailable",
    "expired_link",
    "migrated",
    "private",
    "bad_request",
    "unknown",
    "verification",
    "rate_limited",
    "failed",
    "not_asked",
    "browser_missing",
    "browser_failed",
    "images_kept",
    "images_refused",
    "images_failed",
    "images_not_asked",
    "images_not_recorded",
    "accounts",
    "passed_over",
    "bad_input",
)

MAX_REASON = 200  # characters of an example in the table


@dataclass
class RunSummary:
    """Counts by outcome; `reasons` has the first reason that was given for each."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, Message] = field(default_factory=dict)

    def add(self, what: str, number: int = 1, reason: Message | str = "") -> None:
        """Count something. A reason may be a message, a stored message or plain text."""
        self.counts[what] += number
        message = Message.load(reason) if isinstance(reason, str) else reason
        if message.code:
            self.reasons.setdefault(what, message)

    def as_dict(self) -> dict[str, Any]:
        """Return counts and reasons as --json prints them; the reasons in English."""
        reasons = {what: str(message) for what, message in self.reasons.items()}
        return {"counts": dict(self.counts), "reasons": reasons}

    def table(self, language: Language | None = None) -> Table:
        """Return the closing table, in the language of this process unless another is given."""
        language = language or process_language()
        table = Table(box=None, pad_edge=False, show_header=False)
        for what in COUNTED:
            if self.counts[what]:
                words = Message(f"mparchive.summary.{what}").text(language)
                reason = self.reasons[what].text(language) if what in self.reasons else ""
                table.add_row(str(self.counts[what]), words, printable(reason[:MAX_REASON]))
        return table
