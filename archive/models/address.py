"""Addresses of posts: the work list of the crawler."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base


class AddressState(StrEnum):
    """Where an address stands in the work list."""

    WAITING = "waiting"  # to be asked at next_fetch_at
    SETTLED = "settled"  # the server has told what became of the post
    GIVEN_UP = "given_up"  # asked too often without an answer about the post


class AddressRow(Base):
    """One address of a post, its best form to fetch, and when to ask it next."""

    __tablename__ = "addresses"
    __table_args__ = (
        UniqueConstraint("key"),
        CheckConstraint("state in ('waiting', 'settled', 'given_up')", name="state_is_known"),
        CheckConstraint("(state = 'waiting') = (next_fetch_at is not null)", name="waiting_has_a_time"),
        Index("ix_addresses_next_fetch_at", "next_fetch_at", postgresql_where="next_fetch_at is not null"),
        Index("ix_addresses_account_id_aid", "account_id", "aid"),
        {"comment": "Addresses of posts, the work list: what is fetched next, and when"},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    key: Mapped[str] = mapped_column(comment="Identity: biz:mid:idx, or s/TOKEN for a short link")
    url: Mapped[str] = mapped_column(comment="Best form known; one with chksm is never replaced by a bare one")
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    aid: Mapped[str | None] = mapped_column(comment="<mid>_<idx>; NULL until a short link's page named it")
    state: Mapped[str] = mapped_column(server_default=AddressState.WAITING.value)
    attempts: Mapped[int] = mapped_column(
        Integer, server_default="0", comment="Fetches in a row that told nothing about the post"
    )
    last_outcome: Mapped[str | None] = mapped_column(comment="Of the newest capture; NULL: none, or no answer")
    last_reason: Mapped[str] = mapped_column(server_default="", comment="Why, in the page's or transport's words")
    last_fetched_at: Mapped[datetime | None] = mapped_column()
    next_fetch_at: Mapped[datetime | None] = mapped_column(
        server_default=func.now(), comment="NULL: not to be fetched"
    )
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
