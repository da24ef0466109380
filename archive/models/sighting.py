"""Sightings: where an address was seen."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base


class SightingRow(Base):
    """One place where a post's address was seen, in the form it had there."""

    __tablename__ = "sightings"
    __table_args__ = (
        UniqueConstraint("address_id", "source", "url"),
        {"comment": "Places where an address was seen: source, form, first and last time"},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    address_id: Mapped[int] = mapped_column(ForeignKey("addresses.id"))
    source: Mapped[str] = mapped_column(comment="dump, list, album, …")
    url: Mapped[str] = mapped_column(comment="The address exactly as the source wrote it")
    title: Mapped[str] = mapped_column(server_default="", comment="What the source called the post")
    listing: Mapped[dict[str, Any] | None] = mapped_column(comment="What else the listing said")
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"), comment="The run that saw it first")
    first_seen_at: Mapped[datetime] = mapped_column()
    last_seen_at: Mapped[datetime] = mapped_column()
