"""Runs, and what each was asked to look after."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base


class Run(Base):
    """One piece of scheduled or manual work."""

    __tablename__ = "runs"
    __table_args__ = ({"comment": "Pieces of work: what each asked for, got, skipped and why"},)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    command: Mapped[str] = mapped_column()
    arguments: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(comment="NULL while it runs, and for ever if it was killed")
    verdict: Mapped[str | None] = mapped_column()
    counts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))


class RunAddress(Base):
    """An address a run was asked for: two runs over the same list each keep their own."""

    __tablename__ = "run_addresses"
    __table_args__ = (
        Index("ix_run_addresses_address_id", "address_id"),
        {"comment": "Which addresses a run was asked for"},
    )

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    address_id: Mapped[int] = mapped_column(ForeignKey("addresses.id"), primary_key=True)
