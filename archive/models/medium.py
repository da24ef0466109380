"""media: the images, audios and videos of posts, by address; the work list of their downloads."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base, Key


class MediumRow(Base):
    """One image, audio or video that some post shows."""

    __tablename__ = "media"
    __table_args__ = (
        Index(None, "next_fetch_at", postgresql_where=text("next_fetch_at IS NOT NULL")),
        {"comment": "Images, audios and videos of posts: the work list of their downloads"},
    )

    id: Mapped[Key]
    key: Mapped[str] = mapped_column(
        unique=True, comment="address, or id of what has a signed one; too long for an index: sha256:…"
    )
    url: Mapped[str] = mapped_column(comment="the newest address known; empty where the page gives none")
    type: Mapped[str] = mapped_column(comment="image, audio or video")
    file_id: Mapped[int | None] = mapped_column(
        ForeignKey("files.id"), index=True, comment="NULL until it was downloaded"
    )
    attempts: Mapped[int] = mapped_column(server_default="0", comment="in a row without a file")
    last_outcome: Mapped[str | None] = mapped_column(comment="kept, refused or failed")
    last_reason: Mapped[str] = mapped_column(server_default="", comment="why there is no file")
    last_tried_at: Mapped[datetime | None]
    next_fetch_at: Mapped[datetime | None] = mapped_column(comment="when it is due; NULL: not to be asked")
    expires_at: Mapped[datetime | None] = mapped_column(comment="when a signed address stops working")
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
