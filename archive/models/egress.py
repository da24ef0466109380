"""egresses: the lines out to WeChat, and until when each is held back."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base, Key


class Egress(Base):
    """One line to the outside: workers that share it are challenged together."""

    __tablename__ = "egresses"
    __table_args__ = {"comment": "Lines to the outside; a challenge holds back all that go through one"}  # noqa: RUF012

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True, comment="MPARCHIVE_EGRESS of the machines behind it")
    seen_at: Mapped[datetime] = mapped_column(comment="when somebody last worked behind it")
    blocks: Mapped[int] = mapped_column(server_default="0", comment="challenges in a row")
    reason: Mapped[str] = mapped_column(server_default="", comment="outcome of the last challenge")
    blocked_at: Mapped[datetime | None]
    blocked_until: Mapped[datetime | None] = mapped_column(comment="nothing is fetched before")
