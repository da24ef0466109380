"""absences: when posts were not to be had, and why."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base, Key


class Absence(Base):
    """A time during which a post was away: deleted, taken down, private. At most one lasts."""

    __tablename__ = "absences"
    __table_args__ = (
        Index("uq__absences__post_id", "post_id", unique=True, postgresql_where=text("returned_at IS NULL")),
        {"comment": "When posts were not to be had, by their own addresses, and the reason their pages gave"},
    )

    id: Mapped[Key]
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id"), index=True)
    outcome: Mapped[str] = mapped_column(comment="deleted, violation, private, unavailable or migrated")
    reason: Mapped[str] = mapped_column(server_default="", comment="the page's own sentence")
    last_seen_at: Mapped[datetime | None] = mapped_column(
        comment="when its page was there for the last time; NULL: its page was never seen"
    )
    first_missing_at: Mapped[datetime] = mapped_column(comment="the first answer without it")
    last_missing_at: Mapped[datetime] = mapped_column(comment="the latest answer without it")
    capture_id: Mapped[int] = mapped_column(
        ForeignKey("captures.id"), index=True, comment="the first answer without it"
    )
    returned_at: Mapped[datetime | None] = mapped_column(comment="NULL while it is away")
    returned_capture_id: Mapped[int | None] = mapped_column(ForeignKey("captures.id"), index=True)
