"""addresses: what there is to fetch, and when next."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from archive.db.models.base import Base, Key


class AddressRow(Base):
    """One post's address; the work list of the crawl."""

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
