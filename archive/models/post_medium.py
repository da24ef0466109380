"""post_media: which media a post shows, and where in it."""

from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from archive.models.base import Base, Key


class PostMedium(Base):
    """A medium in a post."""

    __tablename__ = "post_media"
    __table_args__ = (
        UniqueConstraint("post_id", "role", "medium_id"),
        {"comment": "Media of posts; of the current page where capture_id is the post's"},
    )

    id: Mapped[Key]
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id"))
    medium_id: Mapped[int] = mapped_column(ForeignKey("media.id"), index=True)
    capture_id: Mapped[int] = mapped_column(
        ForeignKey("captures.id"), index=True, comment="the newest page that shows it"
    )
    role: Mapped[str] = mapped_column(comment="image, cover, poster, audio or video")
    position: Mapped[int] = mapped_column(comment="first place within the role, from 0")
    facts: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'"),
        comment="what else the page tells: alt, width, height, duration_ms, bytes …",
    )
