"""Define the tables of accounts, their sources, and egresses."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Integer, UniqueConstraint, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from archive.db.models.base import Base, Key


class Account(Base):
    """An official account."""

    __tablename__ = "accounts"
    __table_args__ = {"comment": "Official accounts, by WeChat's own identifier"}  # noqa: RUF012

    id: Mapped[Key]
    biz: Mapped[str] = mapped_column(unique=True, comment="__biz, the account's identity")
    name: Mapped[str] = mapped_column(server_default="", comment="name as last seen; each post keeps its own")
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SourceRow(Base):
    """A source of an account: what it returned last, and when it is tried next."""

    __tablename__ = "sources"
    __table_args__ = (
        UniqueConstraint("account_id", "name"),
        {"comment": "Sources of new posts, per account, with their state"},
    )

    id: Mapped[Key]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str] = mapped_column(
        comment="kind, and where there may be several, which: album:123, feed:…"
    )
    state: Mapped[str | None] = mapped_column(comment="crawler.discovery.State; NULL until tried")
    detail: Mapped[str] = mapped_column(server_default="", comment="why it is in this state, in words")
    since: Mapped[datetime | None] = mapped_column(comment="when it came into this state")
    failures: Mapped[int] = mapped_column(
        Integer, server_default="0", comment="tries in a row that were not good"
    )
    seen: Mapped[int] = mapped_column(Integer, server_default="0", comment="posts it listed at the last try")
    new: Mapped[int] = mapped_column(
        Integer, server_default="0", comment="of these, addresses not known before"
    )
    newest_at: Mapped[datetime | None] = mapped_column(
        comment="publication of the newest post it ever listed"
    )
    memory: Mapped[dict[str, Any]] = mapped_column(
        server_default=sql("'{}'"), comment="what it keeps between tries: ETag, last page"
    )
    last_tried_at: Mapped[datetime | None]
    last_good_at: Mapped[datetime | None]
    next_try_at: Mapped[datetime | None] = mapped_column(comment="NULL: as soon as somebody looks")


class Egress(Base):
    """A network egress: workers that share it are challenged together."""

    __tablename__ = "egresses"
    __table_args__ = {"comment": "Lines to the outside; a challenge holds back all that go through one"}  # noqa: RUF012

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True, comment="MPARCHIVE_EGRESS of the machines behind it")
    seen_at: Mapped[datetime] = mapped_column(comment="when somebody last worked behind it")
    blocks: Mapped[int] = mapped_column(Integer, server_default="0", comment="challenges in a row")
    reason: Mapped[str] = mapped_column(server_default="", comment="outcome of the last challenge")
    blocked_until: Mapped[datetime | None] = mapped_column(comment="nothing is fetched before")
