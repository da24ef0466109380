"""sightings: where posts' addresses were seen."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base, Key


class SightingRow(Base):
    """A source told of an address; once per source and wording, with the first and last time."""

    __tablename__ = "sightings"
    __table_args__ = (
        UniqueConstraint("address_id", "source", "url"),
        {"comment": "Where an address was seen, by which source, and what the listing said"},
    )

    id: Mapped[Key]
    address_id: Mapped[int] = mapped_column(ForeignKey("addresses.id"))
    run_id: Mapped[int | None] = mapped_column(
        ForeignKey("runs.id"), index=True, comment="last run that saw it"
    )
    source: Mapped[str]
    url: Mapped[str] = mapped_column(comment="as the source wrote it")
    title: Mapped[str] = mapped_column(server_default="")
    listing: Mapped[dict[str, Any] | None]
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
