"""Tables of operation: runs, pieces of scheduled or manual work, and incidents."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from archive.db.models.base import Base, Key
from archive.domain.messages import Message
from archive.domain.monitoring import remedy_for


class Run(Base):
    """One run: what it was asked, what it got, how it ended."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix__runs__command", "command", "id"),
        Index("ix__runs__command_started_at", "command", "started_at"),
        Index("ix__runs__open", "command", postgresql_where=text("finished_at IS NULL")),
        {"comment": "What was done, when, and how it ended"},
    )

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
    """One incident, named by a message code. While it lasts there is no second one of the same key."""

    __tablename__ = "incidents"
    __table_args__ = (
        Index("uq__incidents__key", "key", unique=True, postgresql_where=text("closed_at IS NULL")),
        Index(None, "closed_at"),
        Index("ix__incidents__opened_at", "opened_at", "id"),
        Index("ix__incidents__key_told_opened_at", "key", "told_opened_at"),
        Index(
            "ix__incidents__end_not_told",
            "opened_at",
            postgresql_where=text(
                "closed_at IS NOT NULL AND told_opened_at IS NOT NULL AND told_closed_at IS NULL"
            ),
        ),
        {"comment": "Alarms: one row from the beginning of an incident to its end"},
    )

    id: Mapped[Key]
    key: Mapped[str] = mapped_column(comment="what is wrong, and with what: quiet:BIZ, source:BIZ:album:1")
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    closed_at: Mapped[datetime | None] = mapped_column(comment="NULL while it lasts")
    told_opened_at: Mapped[datetime | None] = mapped_column(comment="when the alarm went out")
    told_closed_at: Mapped[datetime | None] = mapped_column(comment="when its end was reported")
    code: Mapped[str] = mapped_column(comment="message code of what is wrong; its remedy is CODE.remedy")
    params: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'"), comment="parameters of the message"
    )

    @property
    def message(self) -> Message:
        """Return what is wrong."""
        return Message.from_json({"code": self.code, "params": self.params})

    @property
    def remedy_message(self) -> Message:
        """Return what to do about it."""
        return remedy_for(self.message)

    @property
    def words(self) -> str:
        """Return what is wrong, in English."""
        return str(self.message)

    @property
    def remedy(self) -> str:
        """Return what to do about it, in English."""
        return str(self.remedy_message)
