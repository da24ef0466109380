"""What a check finds: values, never exceptions."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from archive.integrity.chain import Head

COUNTS = ("checked", "found", "notes")  # of a report
MAX_KEPT = 1000  # findings told one by one; an archive that has more is told how many there are


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was stored: in which row, and in a sentence what, and what to do.

    `id` is None where it is no row of a table. `subject` names the row in words.
    """

    check: str
    table: str
    id: int | None
    words: str

    @property
    def subject(self) -> str:
        """The row: posts 12."""
        return self.table if self.id is None else f"{self.table} {self.id}"

    def __str__(self) -> str:
        return f"{self.subject}: {self.words}"


@dataclass
class Found:
    """What looking at some rows came to. `notes` are counts of what is worth knowing and not wrong."""

    rows: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)


@dataclass
class Report:
    """What verifying came to: rows looked at by check, what was found, and the ends of the chains."""

    checked: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    heads: list[Head] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not self.found

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        counts = {name: dict(getattr(self, name)) for name in COUNTS}
        findings = [asdict(finding) for finding in self.findings]
        return {**counts, "findings": findings, "heads": [head._asdict() for head in self.heads]}

    def add(self, check: str, found: Found) -> None:
        """Take over what looking at some more rows came to."""
        self.checked[check] += found.rows
        self.notes.update(found.notes)
        self.find(found.findings)

    def find(self, findings: Iterable[Finding]) -> None:
        """Take over findings; beyond the bound they are only counted."""
        for finding in findings:
            self.found[finding.check] += 1
            if len(self.findings) < MAX_KEPT:
                self.findings.append(finding)
