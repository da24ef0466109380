"""What a backfill did with each post, and the closing table."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from mparchive.console import pictured

WORDS = {
    "new": "new posts",
    "known": "already archived",
    "changed": "changed since the last visit (a new version)",
    "unchanged": "fetched, the text as before",
    "foreign": "of another account than they were listed for: the pages are kept, not taken as posts",
    "deleted": "deleted by the author",
    "violation": "taken down by the platform",
    "unavailable": "cannot be viewed",
    "expired_link": "the link has expired",
    "migrated": "the account has moved",
    "private": "private",
    "bad_request": "no such post",
    "unknown": "answered by a page that is not understood; asked again later",
    "verification": "the server asked for verification; asked again later",
    "rate_limited": "the server asked for a pause; asked again later",
    "failed": "no answer; asked again later",
    "not_asked": "not asked yet; the same command goes on",
    "browser_missing": "kept without the text that only a browser shows",
    "browser_failed": "kept without the text that only a browser shows, which failed",
    "images_kept": "images kept",
    "images_refused": "images refused",
    "images_failed": "images without an answer; asked again later",
    "images_not_asked": "images not asked for yet; the same command goes on",
    "images_not_recorded": "images that the cassette does not hold",
    "accounts": "accounts, which a configuration can watch",
    "passed_over": "passed over",
    "bad_input": "bad input, see above",
}


@dataclass
class Tally:
    """Counts by what became of each post; `reasons` keeps one example for each failure."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, number: int = 1, reason: str = "") -> None:
        """Count something; the first reason of each is kept."""
        self.counts[what] += number
        if reason:
            self.reasons.setdefault(what, reason)

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {"counts": dict(self.counts), "reasons": self.reasons}

    def table(self) -> Table:
        """The closing table."""
        table = Table(box=None, pad_edge=False, show_header=False)
        for what, words in WORDS.items():
            if self.counts[what]:
                table.add_row(str(self.counts[what]), words, pictured(self.reasons.get(what, "")[:200]))
        return table
