"""Official accounts."""

from datetime import datetime

from sqlalchemy import BigInteger, Identity, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base


class Account(Base):
    """An official account, known from the first address that names it."""

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("biz"), {"comment": "Official accounts, by their __biz"})

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    biz: Mapped[str] = mapped_column(comment="__biz, as in the address of a post")
    name: Mapped[str] = mapped_column(
        server_default="", comment="Name last seen; each post keeps the name it was published under"
    )
    user_name: Mapped[str | None] = mapped_column(comment="gh_… name, where a page told it")
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
