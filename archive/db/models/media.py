"""Define the tables of media, their files, and their places in posts."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from archive.db.models.base import Base, Key


class MediumRow(Base):
    """An image, audio or video that some post shows, and when to download it next."""

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


class FileRow(Base):
    """A file in the media folder."""

    __tablename__ = "files"
    __table_args__ = {"comment": "Files in the media folder, once per content"}  # noqa: RUF012

    id: Mapped[Key]
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True, comment="of the content, 32 bytes")
    size: Mapped[int] = mapped_column(comment="bytes")
    media_type: Mapped[str] = mapped_column(comment="by content, as image/png")
    width: Mapped[int | None] = mapped_column(comment="pixels, of an image")
    height: Mapped[int | None] = mapped_column(comment="pixels, of an image")
    path: Mapped[str] = mapped_column(comment="within the media folder")
    first_stored_at: Mapped[datetime] = mapped_column(server_default=func.now())


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
