"""posts: the current state of each post."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base, Key


class Post(Base):
    """One post: the record's six fields, and what else its page tells."""

    __tablename__ = "posts"
    __table_args__ = (
        UniqueConstraint("account_id", "aid"),
        Index(None, "published_on"),
        {"comment": "Posts, once per account and aid"},
    )

    id: Mapped[Key]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    aid: Mapped[str] = mapped_column(comment="mid_idx")
    mid: Mapped[int] = mapped_column(comment="number of the push within the account")
    idx: Mapped[int] = mapped_column(comment="place within the push")
    title: Mapped[str]
    url: Mapped[str]
    published_on: Mapped[date] = mapped_column(comment="date in Asia/Shanghai")
    account_name: Mapped[str] = mapped_column(comment="the account's name when the post was published")
    text: Mapped[str] = mapped_column(comment="finalContent")
    html: Mapped[str | None] = mapped_column(
        comment="the body's HTML as its page holds it, not made safe; NULL where only the text is known"
    )
    published_at: Mapped[datetime | None] = mapped_column(comment="instant, where the page told it")
    kind: Mapped[str | None] = mapped_column(comment="NULL until the page has been read")
    facts: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    content_hash: Mapped[str] = mapped_column(comment="of title and text, with the hash's version")
    source: Mapped[str] = mapped_column(comment="what the current state comes from: page, dump, …")
    capture_id: Mapped[int | None] = mapped_column(ForeignKey("captures.id"), index=True)
    first_archived_at: Mapped[datetime] = mapped_column(server_default=func.now())
