"""Define the tables of accounts, their sources, and egresses."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Integer, UniqueConstraint, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from archive.db.models.base import Base, Key, one_of
from archive.domain.monitoring import SOURCE_STATES, SourceName, SourceType
from archive.domain.outcomes import BLOCKING


class Account(Base):
    """An official account."""

    __tablename__ = "accounts"
    __table_args__ = {"comment": "Official accounts, by WeChat's own identifier"}  # noqa: RUF012

    id: Mapped[Key]
    biz: Mapped[str] = mapped_column(unique=True, comment="__biz, the account's identity")
    name: Mapped[str] = mapped_column(server_default="", comment="name as last seen; each post keeps its own")
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Source(Base):
    """A source of an account: what it returned last, and when it is tried next."""

    __tablename__ = "sources"
    __table_args__ = (
        UniqueConstraint("account_id", "type", "external_id", postgresql_nulls_not_distinct=True),
        CheckConstraint(one_of("type", SourceType), name="type"),
        CheckConstraint(one_of("state", SOURCE_STATES), name="state"),
        {"comment": "Sources of new posts, per account, with their state"},
    )

    id: Mapped[Key]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    type: Mapped[str] = mapped_column(comment="album, feed, list, …")
    external_id: Mapped[str | None] = mapped_column(
        comment="which of its type: id of an album, address of a feed; NULL where an account has one"
    )
    state: Mapped[str | None] = mapped_column(comment="how the last try ended; NULL until tried")
    detail: Mapped[str] = mapped_column(server_default="", comment="message that says why, as JSON")
    state_since: Mapped[datetime | None] = mapped_column(comment="when it came into this state")
    consecutive_failures: Mapped[int] = mapped_column(
        Integer, server_default="0", comment="tries in a row that were not good"
    )
    listed_count: Mapped[int] = mapped_column(
        Integer, server_default="0", comment="posts it listed at the last try"
    )
    new_count: Mapped[int] = mapped_column(
        Integer, server_default="0", comment="of these, addresses not known before"
    )
    newest_at: Mapped[datetime | None] = mapped_column(
        comment="publication of the newest post it ever listed"
    )
    memory: Mapped[dict[str, Any]] = mapped_column(
        server_default=sql("'{}'"), comment="what it stores for its next try: ETag, last page"
    )
    last_tried_at: Mapped[datetime | None]
    last_good_at: Mapped[datetime | None]
    next_fetch_at: Mapped[datetime | None] = mapped_column(comment="when it is due; NULL: at once")

    @property
    def name(self) -> str:
        """Return its name within the account."""
        return str(SourceName(self.type, self.external_id))


class Egress(Base):
    """A network egress: workers that share it are challenged together."""

    __tablename__ = "egresses"
    __table_args__ = (
        CheckConstraint(one_of("reason", sorted(BLOCKING), ""), name="reason"),
        {"comment": "Network egresses; a challenge blocks all requests through one"},
    )

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True, comment="MPARCHIVE_EGRESS of the machines behind it")
    seen_at: Mapped[datetime] = mapped_column(comment="when somebody last worked behind it")
    consecutive_challenges: Mapped[int] = mapped_column(Integer, server_default="0")
    reason: Mapped[str] = mapped_column(server_default="", comment="outcome of the last challenge")
    blocked_until: Mapped[datetime | None] = mapped_column(comment="nothing is fetched before")
