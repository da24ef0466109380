"""Captures: every answer of the server, exactly as it came."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base


class CaptureRow(Base):
    """One answer, written before anybody parses it; `outcome` is NULL until it has been read."""

    __tablename__ = "captures"
    __table_args__ = (
        UniqueConstraint("fingerprint"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256_is_32_bytes"),
        CheckConstraint("(outcome is null) = (read_at is null)", name="outcome_has_a_time"),
        Index("ix_captures_address_id_fetched_at", "address_id", "fetched_at"),
        Index("ix_captures_unread", "id", postgresql_where="outcome is null"),
        {"comment": "Every answer of the server: exact body, headers, addresses, time, outcome"},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    address_id: Mapped[int | None] = mapped_column(ForeignKey("addresses.id"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"))
    requested_url: Mapped[str] = mapped_column()
    final_url: Mapped[str] = mapped_column()
    status: Mapped[int] = mapped_column(Integer, comment="HTTP status")
    headers: Mapped[list[Any]] = mapped_column(comment="Pairs in the order served, without secrets")
    body: Mapped[bytes] = mapped_column(comment="As body_encoding says; STORAGE EXTERNAL")
    body_encoding: Mapped[str] = mapped_column(comment="zstd or identity")
    body_size: Mapped[int] = mapped_column(Integer, comment="Bytes of the body once decoded")
    sha256: Mapped[bytes] = mapped_column(comment="SHA-256 of the decoded body")
    fingerprint: Mapped[bytes] = mapped_column(comment="SHA-256 over the whole answer: the same one twice is one row")
    fetched_at: Mapped[datetime] = mapped_column()
    rendered: Mapped[bool] = mapped_column(comment="A browser's DOM, not served bytes")
    outcome: Mapped[str | None] = mapped_column(comment="NULL until read")
    kind: Mapped[str | None] = mapped_column()
    reason: Mapped[str] = mapped_column(server_default="")
    parser_version: Mapped[int | None] = mapped_column(Integer)
    read_at: Mapped[datetime | None] = mapped_column()
