"""accounts: the official accounts whose posts are kept."""

from datetime import datetime

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base, Key


class Account(Base):
    """One official account."""

    __tablename__ = "accounts"
    __table_args__ = {"comment": "Official accounts, by WeChat's own identifier"}  # noqa: RUF012

    id: Mapped[Key]
    biz: Mapped[str] = mapped_column(unique=True, comment="__biz, the account's identity")
    name: Mapped[str] = mapped_column(server_default="", comment="name as last seen; each post keeps its own")
    user_name: Mapped[str] = mapped_column(server_default="", comment="gh_… where known")
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
