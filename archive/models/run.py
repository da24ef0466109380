"""runs: pieces of scheduled or manual work."""

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base, Key


class Run(Base):
    """One run: what it was asked, what it got, how it ended."""

    __tablename__ = "runs"
    __table_args__ = {"comment": "What was done, when, and how it ended"}  # noqa: RUF012

    id: Mapped[Key]
    command: Mapped[str]
    arguments: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None] = mapped_column(comment="NULL while running, or when it was killed")
    verdict: Mapped[str | None] = mapped_column(
        comment="done, partly_failed, nothing_fetched, verification, …"
    )
    counts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
