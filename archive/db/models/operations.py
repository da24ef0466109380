"""runs: pieces of scheduled or manual work."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from archive.db.models.base import Base, Key


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


class Incident(Base):
    """One incident. While it lasts there is no second one of the same key."""

    __tablename__ = "incidents"
    __table_args__ = (
        Index("uq__incidents__key", "key", unique=True, postgresql_where=text("closed_at IS NULL")),
        {"comment": "Alarms: one row from the beginning of an incident to its end"},
    )

    id: Mapped[Key]
    key: Mapped[str] = mapped_column(comment="what is wrong, and with what: quiet:BIZ, source:BIZ:album:1")
    words: Mapped[str] = mapped_column(comment="what is wrong, for people")
    remedy: Mapped[str] = mapped_column(comment="what to do about it")
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    closed_at: Mapped[datetime | None] = mapped_column(comment="NULL while it lasts")
    told_opened_at: Mapped[datetime | None] = mapped_column(comment="when the alarm went out")
    told_closed_at: Mapped[datetime | None] = mapped_column(comment="when its end was reported")
