"""Define the tables of the crawl frontier: addresses, and where they were seen."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from archive.db.models.base import Base, Key


class AddressRow(Base):
    """An address of a post: when to fetch it next, and which run has claimed it."""

    __tablename__ = "addresses"
    __table_args__ = (
        Index(None, "next_fetch_at", postgresql_where=text("next_fetch_at IS NOT NULL")),
        Index(None, "account_id", "aid"),
        {"comment": "Addresses of posts: the crawl's work list"},
    )

    id: Mapped[Key]
    key: Mapped[str] = mapped_column(unique=True, comment="biz:mid:idx, or s/TOKEN of a short link")
    url: Mapped[str] = mapped_column(
        comment="best address known; one with chksm is never replaced by a bare one"
    )
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    aid: Mapped[str | None] = mapped_column(comment="mid_idx; NULL while only a short link is known")
    expected_biz: Mapped[str | None] = mapped_column(
        comment="account whose sources told of it; a post of another is not taken. NULL: anybody's"
    )
    attempts: Mapped[int] = mapped_column(server_default="0", comment="in a row without a final answer")
    last_outcome: Mapped[str | None] = mapped_column(
        comment="outcome of the last answer, or no_answer, or not_drawn"
    )
    last_reason: Mapped[str] = mapped_column(server_default="")
    last_tried_at: Mapped[datetime | None]
    next_fetch_at: Mapped[datetime | None] = mapped_column(comment="when it is due; NULL: not to be asked")
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    claimed_by_run_id: Mapped[int | None] = mapped_column(
        ForeignKey("runs.id"), index=True, comment="the last run that was to fetch it"
    )
    claimed_until: Mapped[datetime | None] = mapped_column(
        comment="no other run takes it before, unless that run has finished or its process is gone"
    )


class SightingRow(Base):
    """Where an address was seen: once per source and spelling, with the first and the last time."""

    __tablename__ = "sightings"
    __table_args__ = (
        UniqueConstraint("address_id", "source", "url"),
        {"comment": "Where an address was seen, by which source, and what the listing said"},
    )

    id: Mapped[Key]
    address_id: Mapped[int] = mapped_column(ForeignKey("addresses.id"))
    run_id: Mapped[int | None] = mapped_column(
        ForeignKey("runs.id"), index=True, comment="run that first saw it"
    )
    source: Mapped[str]
    url: Mapped[str] = mapped_column(comment="as the source wrote it")
    title: Mapped[str] = mapped_column(server_default="")
    listing: Mapped[dict[str, Any] | None]
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
