"""Which part of the archive an export is of."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Selection:
    """Which posts: of an account (name or biz), between two days in Asia/Shanghai, both included."""

    account: str | None = None
    since: date | None = None
    until: date | None = None

    def __str__(self) -> str:
        parts = (
            f"of {self.account}" if self.account else "",
            f"from {self.since}" if self.since else "",
            f"to {self.until}" if self.until else "",
        )
        return " ".join(filter(None, parts)) or "all"
