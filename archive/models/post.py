"""Posts: the current state of each."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    SmallInteger,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base


class Post(Base):
    """A post as it was last seen; its earlier states are its versions."""

    __tablename__ = "posts"
    __table_args__ = (
        UniqueConstraint("account_id", "aid"),
        Index("ix_posts_newest_first", text("published_on DESC NULLS LAST"), text("mid DESC"), text("idx"), text("id")),
        {"comment": "Posts as last seen; earlier states are in versions"},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    aid: Mapped[str] = mapped_column(comment="<mid>_<idx>, unique within the account")
    mid: Mapped[int] = mapped_column(
        Numeric(20, 0), Computed("split_part(aid, '_', 1)::numeric(20, 0)", persisted=True)
    )
    idx: Mapped[int] = mapped_column(SmallInteger, Computed("split_part(aid, '_', 2)::smallint", persisted=True))
    url: Mapped[str] = mapped_column(comment="As first archived; rewritten only to gain chksm")
    title: Mapped[str] = mapped_column()
    text: Mapped[str] = mapped_column(comment="finalContent, by the text rule")
    account_name: Mapped[str] = mapped_column(comment="The account's name as this post was published")
    published_on: Mapped[date | None] = mapped_column(comment="Day in Asia/Shanghai")
    published_at: Mapped[datetime | None] = mapped_column()
    kind: Mapped[str | None] = mapped_column(comment="NULL for a post known from a dump only")
    facts: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'"), comment="What else the page told: author, digest, cover, …"
    )
    content_hash: Mapped[bytes] = mapped_column(comment="Versioned hash of title and text")
    seen_at: Mapped[datetime | None] = mapped_column(
        comment="When the server last served this state; NULL for a state known from a dump"
    )
    first_archived_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
